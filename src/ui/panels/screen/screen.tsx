import { useEffect, useMemo, useRef } from "react";
import type { TextScreen } from "../../../vmm/index.ts";
import { Exhibit, useWant } from "../../exhibit.tsx";
import { machine, usePage } from "../../store.ts";
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

/** The VGA text screen, with keyboard. */
export function ScreenPanel() {
  return (
    <Exhibit number="6" title="VGA screen" area="screen" source="text mode, memory at B8000"
      says="What a monitor on the VGA port would show. Click it and type: its keys go through the 8042 keyboard controller.">
      <Screen />
    </Exhibit>
  );
}

const wants = { screen: true };

function Screen() {
  useWant(wants);
  const screen = usePage((s) => s.seen?.screen);
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (context && screen) paint(context, screen);
  }, [screen]);
  const text = useMemo(() => (screen ? textOf(screen) : ""), [screen]);
  const key = (down: boolean) => (e: React.KeyboardEvent) => {
    if (/^(Tab|F\d+)$/.test(e.key) || (e.ctrlKey && e.key === "k")) return;
    e.preventDefault();
    machine.key(e.code, down).catch(() => {});
  };
  return (
    <>
      <div className={style.frame}>
        <canvas ref={canvas} width={(screen?.columns ?? 80) * CELL.width} height={(screen?.rows ?? 25) * CELL.height} tabIndex={0}
          role="img" aria-label="VGA screen; its text follows" className={style.screen} onKeyDown={key(true)} onKeyUp={key(false)} />
      </div>
      <details className={style.twin}><summary>As text</summary><pre data-testid="screen-text">{text || "(blank)"}</pre></details>
    </>
  );
}
