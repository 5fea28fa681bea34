import { useEffect, useRef, useState } from "react";
import type { MigrationProgress, StopRule } from "../../../vmm/index.ts";
import type { Moved } from "../../machine-client.ts";
import { Exhibit } from "../../exhibit.tsx";
import { grouped } from "../../format.ts";
import { actions } from "../../actions.ts";
import { usePage } from "../../store.ts";
import style from "./migration.module.css";

const rules: readonly (readonly [StopRule, string])[] = [
  ["both", "whichever comes first"],
  ["downtime", "the rest fits 30 ms"],
  ["2007", "two growths, or 30 passes"],
];
const COLUMNS = 256;
const HIGH = 256;

const colour = (name: string): number => {
  const n = Number.parseInt(getComputedStyle(document.documentElement).getPropertyValue(name).trim().slice(1), 16);
  return (0xff000000 | ((n & 255) << 16) | (n & 0xff00) | (n >> 16)) >>> 0;
};

const countBits = (bytes: Uint8Array): number => {
  let count = 0;
  for (let byte of bytes) for (; byte !== 0; byte &= byte - 1) count++;
  return count;
};

/** One cell a page: on the left what has still to go, on the right what has arrived as it is now. */
function Bitmap({ progress, side }: { progress: MigrationProgress; side: "source" | "target" }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = usePage((s) => s.theme);
  const { pages, pending } = progress;
  const rows = Math.ceil(pages / COLUMNS);
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context) return;
    // The theme is on the root element before any effect that follows it.
    document.documentElement.dataset.theme = theme;
    const image = context.createImageData(COLUMNS, rows);
    const words = new Uint32Array(image.data.buffer);
    const on = colour(side === "source" ? "--kvm" : "--guest");
    const off = colour("--hover");
    for (let page = 0; page < pages; page++) {
      const waits = (((pending[page >> 3] ?? 0) >> (page & 7)) & 1) === 1;
      words[page] = waits === (side === "source") ? on : off;
    }
    context.putImageData(image, 0, 0);
  }, [pages, pending, rows, side, theme]);
  const waiting = countBits(pending);
  const words = side === "source" ? `source: ${grouped(waiting)} pages to send` : `destination: ${grouped(pages - waiting)} pages current`;
  return (
    <figure className={style.side}>
      <canvas ref={canvas} width={COLUMNS} height={rows} style={{ height: Math.max(16, Math.min(HIGH, rows)) }} role="img" aria-label={words} data-testid={`bitmap-${side}`} />
      <figcaption>{words}</figcaption>
    </figure>
  );
}

const ms = (value: number | undefined): string => (value === undefined ? "an unknown time" : `${value.toFixed(0)} ms`);
const mib = (bytes: number): string => `${(bytes / (1 << 20)).toFixed(1)} MiB`;

function verdict(moving: boolean, progress: MigrationProgress | undefined, moved: Moved | undefined): string {
  if (moving) return `Pass ${progress?.pass ?? 1}, ${mib(progress?.bytes ?? 0)} sent.`;
  if (!moved) return progress ? "The machine stayed." : "Not moved yet.";
  if (moved.kind === "cancelled") return "Cancelled; the machine stayed and runs on.";
  return `Moved in ${ms(moved.totalMs)}; stood still for ${ms(moved.downtimeMs)}; ${mib(moved.bytes)} sent.`;
}

/** Live migration to a second worker: both bitmaps, each pass, and what either side holds in the end. */
export function MigrationPanel() {
  const { state, moving, progress, moved } = usePage();
  const [rule, setRule] = useState<StopRule>("both");
  const rows = moved?.rows ?? progress?.rows ?? [];
  const has = state === "running" || state === "paused";
  return (
    <Exhibit number="7" title="Live migration" area="migration" source="KVM Forum 2007: dirty logging, pre-copy"
      says="The running guest moves to a second host, a worker of its own: all memory once, then what was written meanwhile, until the rest fits a short pause.">
      <div className={style.bar}>
        <button type="button" data-testid="migrate-here" disabled={!has || moving} onClick={() => void actions.migrate({ stop: rule })}>Migrate</button>
        <button type="button" data-testid="migrate-cancel" disabled={!moving} onClick={() => void actions.cancelMigration()}>Cancel</button>
        <label>stop when{" "}
          <select value={rule} disabled={moving} onChange={(e) => { setRule(rules.find(([name]) => name === e.target.value)?.[0] ?? "both"); }}>
            {rules.map(([name, text]) => <option key={name} value={name}>{text}</option>)}
          </select>
        </label>
      </div>
      <p className={style.state} data-testid="migration-state" aria-live="polite">{verdict(moving, progress, moved)}</p>
      {progress && <div className={style.sides}><Bitmap progress={progress} side="source" /><Bitmap progress={progress} side="target" /></div>}
      <table data-testid="passes">
        <thead><tr><th>pass</th><th>sent</th><th>dirtied again</th><th>remaining</th></tr></thead>
        <tbody>
          {rows.map((r) => <tr key={r.pass}><td>{r.pass}{r.stopped ? ", standing still" : ""}</td><td>{grouped(r.sent)}</td><td>{grouped(r.dirtiedAgain)}</td><td>{grouped(r.remaining)}</td></tr>)}
          {rows.length === 0 && <tr><td colSpan={4} className={style.empty}>no pass yet</td></tr>}
        </tbody>
      </table>
      {moved?.kind === "moved" && (
        <dl className={style.hashes} data-testid="hashes">
          <dt>source</dt><dd><code>{moved.sourceHash}</code></dd>
          <dt>destination</dt><dd><code>{moved.targetHash}</code> {moved.sourceHash === moved.targetHash ? "= equal" : "≠ different"}</dd>
        </dl>
      )}
    </Exhibit>
  );
}
