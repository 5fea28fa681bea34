import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { useEffect, useRef } from "react";
import { actions } from "../../actions.ts";
import { Exhibit } from "../../exhibit.tsx";
import { machine, onSerial, usePage } from "../../store.ts";
import style from "./console.module.css";

const themes = {
  dark: { background: "#0b0c0e", foreground: "#e4e0d6", cursor: "#35c493", selectionBackground: "#35505f" },
  light: { background: "#ffffff", foreground: "#1d1c19", cursor: "#00724f", selectionBackground: "#bcd9ec" },
};

/**
 * A guest may ask its terminal for the cursor's place, its kind or its colours. The answer would be input that nobody
 * typed, at a time that depends on when the page paints: it stays out, so that a run is the same whoever looks.
 */
function keepQuiet(term: Terminal): void {
  const done = () => true;
  for (const final of ["n", "c"]) for (const prefix of ["", "?", ">", "="]) term.parser.registerCsiHandler({ ...(prefix && { prefix }), final }, done);
  for (const prefix of ["", "?"]) term.parser.registerCsiHandler({ ...(prefix && { prefix }), intermediates: "$", final: "p" }, done);
  term.parser.registerDcsHandler({ intermediates: "$", final: "q" }, done);
  for (const colour of [4, 10, 11, 12]) term.parser.registerOscHandler(colour, (data) => data.includes("?"));
}

/** The serial port: what the guest prints, and what you type or paste goes to it. */
export function ConsolePanel() {
  const box = useRef<HTMLDivElement>(null);
  const terminal = useRef<Terminal>(null);
  const theme = usePage((s) => s.theme);
  useEffect(() => {
    if (!box.current) return;
    const term = new Terminal({
      fontFamily: "IBM Plex Mono, monospace", fontSize: window.innerWidth < 720 ? 11 : 13, scrollback: 5000, cursorBlink: false, screenReaderMode: false,
      theme: themes[usePage.getState().theme],
    });
    terminal.current = term;
    const fit = new FitAddon();
    term.loadAddon(fit);
    term.open(box.current);
    // Function keys and the palette are the page's; F6 leaves the terminal, which else keeps Tab.
    term.attachCustomKeyEventHandler((e) => !/^F(1|4|6|8|9)$/.test(e.key) && !(e.ctrlKey && e.key === "k"));
    keepQuiet(term);
    term.onData((text) => { machine.send(new TextEncoder().encode(text)).catch(() => {}); });
    const off = onSerial((bytes) => { if (bytes === "clear") term.reset(); else term.write(bytes); });
    const watch = new ResizeObserver(() => { fit.fit(); });
    watch.observe(box.current);
    return () => { watch.disconnect(); off(); term.dispose(); };
  }, []);
  useEffect(() => { if (terminal.current) terminal.current.options.theme = themes[theme]; }, [theme]);
  const reader = usePage((s) => s.reader);
  useEffect(() => { if (terminal.current) terminal.current.options.screenReaderMode = reader; }, [reader]);
  const ending = usePage((s) => s.ending);
  return (
    <Exhibit number="1" title="Serial console" area="console" source="16550A, ttyS0"
      says="The guest’s first serial port. Type or paste into it; F6 leaves it.">
      <div className={style.terminal} data-testid="console"><div ref={box} className={style.inner} /></div>
      {ending && (
        <p className={style.ending} role="status" data-testid="ending">
          {ending.text} {ending.kind === "error" && <button type="button" data-testid="report" onClick={() => void actions.report()}>Download a report</button>}
        </p>
      )}
    </Exhibit>
  );
}
