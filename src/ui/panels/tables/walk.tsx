import type { NestedRow, Reference, Step, Translation } from "../../../vmm/index.ts";
import { Address } from "../../address.tsx";
import { bytesOf, hex } from "../../format.ts";
import { levelNames } from "./levels.ts";
import style from "./walk.module.css";

/** One reference: its number, the entry of which table, what it held. */
function Cell({ step, hit }: { step: Step | undefined; hit?: boolean }) {
  if (!step) return <td className={style.none}><span aria-hidden="true">·</span></td>;
  return (
    <td className={hit ? style.hit : undefined} data-testid={`ref-${step.n}`}>
      <b>{step.n}</b> <span className={style.index} title="table and index">{step.table.toString(16)}[{step.index}]</span>
      <Address space={step.by === "ept" ? "HPA" : "GPA"} value={step.address} />
      <span className={style.entry}>{step.value.toString(16)}</span>
      <em>{step.flags || "not present"}</em>
    </td>
  );
}

const columns = [4, 3, 2, 1] as const;
const columnNames: Readonly<Record<number, string>> = { 4: "EPT PML4", 3: "EPT PDPT", 2: "EPT PD", 1: "EPT PT" };

/** Each row finds one guest-physical address through EPT and reads it: the rows of the guest's walk, and the datum. */
export function WalkGrid({ walk }: { walk: Translation }) {
  const find = (row: number, by: Step["by"], level?: number) =>
    walk.steps.find((s) => s.row === row && s.by === by && (level === undefined || s.level === level));
  const names = [...(levelNames[walk.mode] ?? [])].reverse().filter((name) => name !== "" && !(walk.mode === "PAE" && name === "PDPT"));
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section className={style.scroll} aria-label="Two-dimensional walk" tabIndex={0}>
      <table className={style.grid} data-testid="walk">
        <caption className={style.hidden}>The two-dimensional walk: every memory reference in the order the processor makes them</caption>
        <thead>
          <tr><th scope="col">looks for</th>{columns.map((level) => <th key={level} scope="col">{columnNames[level]}</th>)}<th scope="col">guest entry</th></tr>
        </thead>
        <tbody>
          {[...names, "datum"].map((name) => {
            const at = walk.rows.findIndex((r: NestedRow) => (r.guest?.name ?? "datum") === name);
            const row = walk.rows[at];
            return (
              <tr key={name}>
                <th scope="row"><b>{name === "datum" ? "the datum" : name}</b>{row ? <Address space="GPA" value={row.gpa} /> : <i>not reached</i>}</th>
                {columns.map((level) => <Cell key={level} step={row && find(at, "ept", level)} />)}
                {name === "datum"
                  ? <td className={style.end}>{row?.ept.hpa === undefined ? <i>no frame</i> : <><i>found at</i><Address space="HPA" value={row.ept.hpa} /><em>{bytesOf(row.ept.pageSize)} page, {row.ept.access}</em></>}</td>
                  : <Cell step={row && find(at, "guest")} hit />}
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}

/** The same as a list: all there is on the bare machine, the text twin of the grid under EPT. */
export function WalkList({ steps, id }: { steps: readonly (Reference & Partial<Step>)[]; id?: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section className={style.scroll} aria-label="References of the walk" tabIndex={0}>
      <table className={style.list} data-testid={id}>
        <thead><tr><th scope="col">#</th><th scope="col">table</th><th scope="col">index</th><th scope="col">entry at</th><th scope="col">holds</th><th scope="col">flags</th></tr></thead>
        <tbody>
          {steps.map((s) => (
            <tr key={s.n}>
              <td>{s.n}</td><td><b>{s.name}</b> {hex(s.table)}</td><td>{s.index}</td>
              <td><Address space={s.by === "ept" ? "HPA" : "GPA"} value={s.address} /></td><td>{s.value.toString(16)}</td><td>{s.flags || "not present"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** What came of it, in one line. */
export function WalkResult({ walk }: { walk: Translation }) {
  return (
    <p className={style.result} data-testid="walk-result">
      <Address space="GVA" value={walk.gva} />
      {walk.gpa === undefined ? <> ✕ {walk.fault}</> : <> → <Address space="GPA" value={walk.gpa} id="walk-gpa" /> <i>{bytesOf(walk.pageSize)} page, {walk.access}</i></>}
      {walk.hpa !== undefined && <> → <Address space="HPA" value={walk.hpa} id="walk-hpa" /></>}
      {walk.violation && <> ✕ {walk.violation}</>}
      <i className={style.count}>{walk.steps.length} references</i>
    </p>
  );
}
