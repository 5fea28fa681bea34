import { useEffect, useMemo, useRef, useState } from "react";
import { Exhibit, useWant } from "../../exhibit.tsx";
import { hex } from "../../format.ts";
import { usePage } from "../../store.ts";
import style from "./memory.module.css";

/** Four points of cividis, from quiet to hot; red, green, blue. */
const shades = {
  dark: [[24, 28, 33], [38, 72, 110], [122, 132, 134], [253, 231, 76]],
  light: [[238, 235, 226], [166, 184, 205], [98, 116, 128], [178, 104, 0]],
} as const;
const words = ["never touched", "touched", "accessed since last look", "written since last look"] as const;
const HIGH = 300;
const BLOCKS = 32;

/** 0 to 3 for the mark bits of one page (1 dirty, 2 accessed, 4 touched since the start). */
const rank = (mark: number): number => (mark & 1 ? 3 : mark & 2 ? 2 : mark & 4 ? 1 : 0);

/** Sizes of cells so that the whole memory fits the panel: whole pixels where they fit. */
function layoutOf(pages: number, width: number): { cell: number; columns: number; rows: number } {
  let cell = 6;
  while (cell > 1 && Math.ceil(pages / Math.floor(width / cell)) * cell > HIGH) cell--;
  const columns = Math.max(64, Math.floor(width / cell / 16) * 16);
  return { cell, columns, rows: Math.ceil(pages / columns) };
}

/** One cell per page of guest memory. */
export function MemoryPanel() {
  return (
    <Exhibit number="5" title="Guest memory" area="memory" source="the core’s passive frame marks"
      says="One cell per 4 KiB page of guest-physical memory, address 0 at the top left. Looking clears the marks, never the guest’s bits.">
      <MemoryMap />
    </Exhibit>
  );
}

const wants = { marks: true };

function MemoryMap() {
  useWant(wants);
  const marks = usePage((s) => s.seen?.marks);
  const theme = usePage((s) => s.theme);
  const canvas = useRef<HTMLCanvasElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(512);
  const [pointed, setPointed] = useState<number>();
  useEffect(() => {
    if (!box.current) return;
    const watch = new ResizeObserver(([entry]) => { if (entry) setWidth(Math.max(64, Math.floor(entry.contentRect.width))); });
    watch.observe(box.current);
    return () => { watch.disconnect(); };
  }, []);
  const shape = useMemo(() => layoutOf(marks?.length ?? 65536, width), [marks?.length, width]);
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context || !marks) return;
    const image = context.createImageData(shape.columns, shape.rows);
    const words32 = new Uint32Array(image.data.buffer);
    const palette = shades[theme].map(([r, g, b]) => (0xff000000 | (b << 16) | (g << 8) | r) >>> 0);
    for (let page = 0; page < marks.length; page++) words32[page] = palette[rank(marks[page] ?? 0)] ?? 0;
    context.putImageData(image, 0, 0);
  }, [marks, theme, shape]);
  const counts = useMemo(() => {
    const n = [0, 0, 0, 0];
    for (const mark of marks ?? []) n[rank(mark)] = (n[rank(mark)] ?? 0) + 1;
    return n;
  }, [marks]);
  const point = (e: React.PointerEvent<HTMLCanvasElement>) => {
    const page = Math.floor(e.nativeEvent.offsetY / shape.cell) * shape.columns + Math.floor(e.nativeEvent.offsetX / shape.cell);
    setPointed(marks && page < marks.length ? page : undefined);
  };
  return (
    <>
      <div ref={box}>
        <canvas ref={canvas} width={shape.columns} height={shape.rows} className={style.map} data-testid="memory-map"
          style={{ width: shape.columns * shape.cell, height: shape.rows * shape.cell }} role="img"
          aria-label={`${marks?.length ?? 0} pages: ${counts[3]} written, ${counts[2]} accessed since the last look`}
          onPointerMove={point} onPointerLeave={() => setPointed(undefined)} />
      </div>
      <ul className={style.legend}>
        {words.map((word, i) => <li key={word}><i style={{ background: `rgb(${shades[theme][i]?.join(" ")})` }}>{i === 3 ? "W" : i === 2 ? "A" : ""}</i>{word} <b>{counts[i]}</b></li>)}
      </ul>
      <p className={style.pointed}>{pointed === undefined ? "Point at a cell." : `GPA ${hex(pointed * 4096)}: ${words[rank(marks?.[pointed] ?? 0)]}`}</p>
      {marks && <MemoryTable marks={marks} />}
    </>
  );
}

/** The text twin of the map: counts per thirty-second of memory. */
function MemoryTable({ marks }: { marks: Uint8Array }) {
  const [open, setOpen] = useState(false);
  const size = Math.ceil(marks.length / BLOCKS);
  return (
    <details className={style.twin} onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>As a table</summary>
      {open && (
        <table data-testid="memory-table">
          <thead><tr><th>from GPA</th><th>pages</th><th>touched</th><th>accessed</th><th>written</th></tr></thead>
          <tbody>
            {Array.from({ length: BLOCKS }, (_, b) => {
              const part = marks.subarray(b * size, (b + 1) * size);
              const n = (bit: number) => part.reduce((sum, m) => sum + (m & bit ? 1 : 0), 0);
              return <tr key={hex(b * size * 4096)}><td>{hex(b * size * 4096)}</td><td>{part.length}</td><td>{n(4)}</td><td>{n(2)}</td><td>{n(1)}</td></tr>;
            })}
          </tbody>
        </table>
      )}
    </details>
  );
}
