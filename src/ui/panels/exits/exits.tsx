import { useEffect, useRef, useState } from "react";
import type { Counters, ExitRecord, Observation } from "../../../vmm/index.ts";
import { GvaLink } from "../../address.tsx";
import { Exhibit, useWant } from "../../exhibit.tsx";
import { grouped, rate } from "../../format.ts";
import { usePage } from "../../store.ts";
import style from "./exits.module.css";

const hardware: readonly (readonly [keyof Counters, string])[] = [
  ["tlbMisses", "TLB misses"], ["walkReferences", "Page-walk references"], ["exceptions", "Exceptions"],
  ["interrupts", "Interrupts"], ["tlbFlushes", "TLB flushes"], ["blocksDecoded", "Code blocks decoded"],
];

/** As many as one can read at once. */
const RECORDS = 40;

type Row = readonly [name: string, total: number];

function rowsOf(seen: Observation): readonly Row[] {
  if (seen.exits) return [...seen.exits.counts].sort((a, b) => b[1] - a[1]);
  return hardware.map(([key, name]) => [name, seen.stats[key]]);
}

/** Changes per second of wall time between the last two looks, as kvm_stat counts. */
function useRates(rows: readonly Row[]): ReadonlyMap<string, number> {
  const last = useRef<{ at: number; totals: ReadonlyMap<string, number> }>({ at: 0, totals: new Map() });
  const [rates, setRates] = useState<ReadonlyMap<string, number>>(new Map());
  useEffect(() => {
    const at = performance.now();
    const { at: before, totals } = last.current;
    if (at - before < 900) return;
    const per = 1000 / (at - before);
    setRates(new Map(rows.map(([name, total]) => [name, Math.max(0, total - (totals.get(name) ?? total)) * per])));
    last.current = { at, totals: new Map(rows) };
  }, [rows]);
  return rates;
}

/** VM exits live; on the bare CPU, what the hardware itself counts. */
export function ExitsPanel() {
  return (
    <Exhibit number="2" title="VM exits" area="exits" source="after kvm_stat"
      says="Why the guest stopped running and the hypervisor started: rate per reason, and the latest exits one by one.">
      <Exits />
    </Exhibit>
  );
}

const wants = { exits: true };

function Exits() {
  useWant(wants);
  const seen = usePage((s) => s.seen);
  const [rows, setRows] = useState<readonly Row[]>([]);
  useEffect(() => { setRows(seen ? rowsOf(seen) : []); }, [seen]);
  const rates = useRates(rows);
  const bare = seen !== undefined && seen.exits === undefined;
  const most = Math.max(1, ...rates.values());
  return (
    <>
      {bare && <p className={style.bare} data-testid="no-exits"><strong>No hypervisor below this guest.</strong> With <code>-accel tcg</code> it runs on the bare CPU, and nothing exits. This is what the CPU itself counts:</p>}
      <table data-testid="rates">
        <thead><tr><th scope="col">{bare ? "event" : "reason"}</th><th scope="col" className={style.number}>total</th><th scope="col" className={style.number}>per second</th><th scope="col" className={style.bar}>rate (log)</th></tr></thead>
        <tbody>
          {rows.map(([name, total]) => (
            <tr key={name}>
              <td>{name}</td><td className={style.number}>{grouped(total)}</td><td className={style.number}>{rate(rates.get(name) ?? 0)}</td>
              <td className={style.bar}><i style={{ width: `${(100 * Math.log1p(rates.get(name) ?? 0)) / Math.log1p(most)}%` }} /></td>
            </tr>
          ))}
        </tbody>
      </table>
      {seen?.exits && <Records records={seen.exits.records} />}
    </>
  );
}

/** The latest exits, newest first. */
function Records({ records }: { records: readonly ExitRecord[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section className={style.records} aria-label="Latest exits" tabIndex={0}>
      <table data-testid="exit-records">
        <thead><tr><th scope="col">t</th><th scope="col">reason</th><th scope="col">handled in</th><th scope="col">rip</th><th scope="col">qualification</th></tr></thead>
        <tbody>
          {records.slice(-RECORDS).reverse().map((r) => (
            <tr key={r.n}>
              <td>{grouped(r.t)}</td><td><b>{r.reason}</b></td>
              <td className={r.user ? style.user : style.kernel}>{r.user ? "▸ user" : "· kernel"}</td><td><GvaLink value={r.rip} /></td><td className={style.words}>{r.qualification}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {records.length === 0 && <p className={style.none}>No exit since this exhibit was opened.</p>}
    </section>
  );
}
