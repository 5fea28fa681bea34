import { useEffect, useRef, useState } from "react";
import type { ScreenUpdate, TextScreen } from "../../../vmm/index.ts";
import { Exhibit, useWant } from "../../exhibit.tsx";
import { machine, onScreen } from "../../store.ts";
import { useInput } from "./input.ts";
import style from "./screen.module.css";

/** The sixteen colours of text mode, as the DAC of a VGA holds them. */
const colours = ["#000", "#00a", "#0a0", "#0aa", "#a00", "#a0a", "#a50", "#aaa", "#555", "#55f", "#5f5", "#5ff", "#f55", "#f5f", "#ff5", "#fff"];
const CELL = { width: 9, height: 16 };
/** Code page 437 above and below ASCII. */
const low = " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼";
const high = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■ ";
const glyph = (code: number): string => (code < 32 ? low[code] : code < 127 ? String.fromCharCode(code) : code === 127 ? "⌂" : high[code - 128]) ?? " ";

function textOf({ columns, rows, cells }: TextScreen): string {
  const line = (row: number) => Array.from({ length: columns }, (_, c) => glyph(cells[2 * (row * columns + c)] ?? 32)).join("").trimEnd();
  return Array.from({ length: rows }, (_, row) => line(row)).join("\n").trimEnd();
}

function paint(context: CanvasRenderingContext2D, { columns, rows, cells, cursor }: TextScreen): void {
  context.font = "14px IBM Plex Mono, monospace";
  context.textBaseline = "middle";
  for (let i = 0; i < columns * rows; i++) {
    const x = (i % columns) * CELL.width;
    const y = Math.floor(i / columns) * CELL.height;
    const attribute = cells[2 * i + 1] ?? 7;
    context.fillStyle = colours[(attribute >> 4) & 7] ?? "#000";
    context.fillRect(x, y, CELL.width, CELL.height);
    context.fillStyle = colours[attribute & 15] ?? "#aaa";
    const code = cells[2 * i] ?? 32;
    if (code !== 32 && code !== 0) context.fillText(glyph(code), x, y + CELL.height / 2 + 1);
    if (i === cursor) context.fillRect(x, y + CELL.height - 3, CELL.width, 2);
  }
}

/** The guest's screen, with keyboard and mouse. */
export function ScreenPanel() {
  return (
    <Exhibit number="6" title="VGA screen" area="screen" source="text at B8000, pictures in a memory slot whose dirty log says what to paint"
      says="What a monitor on the VGA port would show. Only lines that were written since the last look are painted again.">
      <Screen />
    </Exhibit>
  );
}

const wants = { screen: "changes" as const };
type Picture = Extract<ScreenUpdate, { kind: "picture" }>;
interface Shown {
  readonly width: number;
  readonly height: number;
  /** The screen in words. */
  readonly text: string;
}
const blank: Shown = { width: 80 * CELL.width, height: 25 * CELL.height, text: "" };
/** How long the twin of a picture is left as it is. */
const TELL_MS = 500;

function sizeOf(update: ScreenUpdate): { width: number; height: number } {
  return update.kind === "text" ? { width: update.columns * CELL.width, height: update.rows * CELL.height } : update;
}
function tell(update: ScreenUpdate): string {
  if (update.kind === "text") return textOf(update);
  const lines = update.bands.map(({ y, lines }) => (lines === 1 ? `${y}` : `${y} to ${y + lines - 1}`)).join(", ");
  return `A picture of ${update.width} × ${update.height} pixels, ${update.format}.\nPainted last: ${update.whole ? "all of it" : `lines ${lines}`}.`;
}
function paintPicture(context: CanvasRenderingContext2D, { width, bands }: Picture): void {
  for (const { y, lines, pixels } of bands) context.putImageData(new ImageData(pixels, width, lines), 0, y);
}
/** Marks what was reported dirty until the next mark, or until it has faded. */
function flash(context: CanvasRenderingContext2D, update: ScreenUpdate, { width, height }: HTMLCanvasElement): void {
  // Setting its size clears it.
  context.canvas.width = width;
  context.canvas.height = height;
  if (update.kind === "text" || update.whole) return;
  context.strokeStyle = "#ffb000";
  context.lineWidth = 2;
  context.setLineDash([8, 4]);
  for (const { y, lines } of update.bands) context.strokeRect(1, y + 1, width - 2, Math.max(2, lines - 2));
}

function Screen() {
  useWant(wants);
  const picture = useRef<HTMLCanvasElement>(null);
  const marks = useRef<HTMLCanvasElement>(null);
  const [shown, setShown] = useState(blank);
  const [flashing, setFlashing] = useState(false);
  const input = useInput(picture);
  useEffect(() => {
    let told = 0;
    return onScreen((update) => {
      const canvas = picture.current;
      const context = canvas?.getContext("2d"), over = marks.current?.getContext("2d");
      if (!canvas || !context) return;
      const { width, height } = update === "clear" ? blank : sizeOf(update);
      if (canvas.width !== width || canvas.height !== height) {
        [canvas.width, canvas.height] = [width, height];
        told = 0;
      }
      if (update === "clear") {
        context.clearRect(0, 0, width, height);
        setShown(blank);
        return;
      }
      if (update.kind === "text") paint(context, update);
      else paintPicture(context, update);
      if (over) flash(over, update, canvas);
      // Text is told whenever it changes; a picture that moves, now and then.
      if (update.kind === "picture" && !update.whole && performance.now() - told < TELL_MS) return;
      told = performance.now();
      setShown({ width, height, text: tell(update) });
    });
  }, []);
  return (
    <>
      <div className={style.frame}>
        <canvas ref={picture} tabIndex={0} role="img" aria-label="Screen of the guest; what it shows follows as text" data-testid="screen-canvas"
          aria-describedby="screen-way-out" className={style.screen} {...input.handlers} />
        {flashing && <canvas ref={marks} className={style.marks} />}
      </div>
      <div className={style.tools}>
        <p id="screen-way-out" className={style.hint} data-testid="screen-hint">
          {input.focused ? "Keys and mouse go to the guest. Esc gives them back." : "Click the screen, or go to it with Tab, to type and to move the guest’s mouse."}
        </p>
        <span className={style.keys}>
          {keys.map(([name, codes]) => <button key={name} type="button" onClick={() => { press(codes); }}>{name}</button>)}
          <button type="button" aria-pressed={flashing} data-testid="screen-flash" onClick={() => { setFlashing(!flashing); }}>Mark what is painted</button>
        </span>
      </div>
      <details className={style.twin}><summary>As text</summary><pre data-testid="screen-text">{shown.text || "(blank)"}</pre></details>
    </>
  );
}

/** Keys that the page keeps for itself. */
const keys: readonly (readonly [string, readonly string[]])[] = [
  ["Esc", ["Escape"]], ["Tab", ["Tab"]], ["Ctrl+Alt+Del", ["ControlLeft", "AltLeft", "Delete"]],
];
function press(codes: readonly string[]): void {
  for (const code of codes) machine.key(code, true).catch(() => {});
  for (const code of [...codes].reverse()) machine.key(code, false).catch(() => {});
}
