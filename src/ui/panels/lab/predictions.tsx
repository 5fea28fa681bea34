import type { Cost, LabCase, LabResult, LabRow, Place } from "../../../vmm/public.ts";
import { type Draft, type DraftRow, rowOf, withRow } from "./draft.ts";
import style from "./lab.module.css";

interface TableProps {
  readonly place: Place;
  readonly title: string;
  readonly cases: readonly LabCase[];
  readonly draft: Draft;
  readonly change: (next: Draft) => void;
  readonly result: LabResult | undefined;
}

const numbers = [["references", "references"], ["exits", "VM exits"]] as const;
const answers = [["emulated", "emulated"], ["fault", "page fault"]] as const;
const word = (value: number | boolean): string => (value === true ? "yes" : value === false ? "no" : String(value));

/** What the machine did, beside what was said: a mark, not only a colour. */
function Measured({ row, column }: { row: LabRow | undefined; column: keyof Cost }) {
  if (!row) return null;
  const right = row.measured[column] === row.predicted[column];
  return <span className={right ? style.right : style.wrong}>{right ? "✓" : "✕"} {word(row.measured[column])}</span>;
}

/** One place's five rows. */
export function PredictionTable({ place, title, cases, draft, change, result }: TableProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section className={style.scroll} aria-label={title} tabIndex={0}>
      <table className={style.table} data-testid={`lab-${place}`}>
        <caption>{title}</caption>
        <thead><tr><th scope="col">instruction</th>{[...numbers, ...answers].map(([key, text]) => <th key={key} scope="col">{text}</th>)}</tr></thead>
        <tbody>
          {cases.map(({ id, text }) => {
            const given: DraftRow = rowOf(draft, place, id);
            const row = result?.rows.find((r) => r.place === place && r.id === id);
            const reasons = Object.entries(row?.reasons ?? {}).map(([reason, n]) => `${n} × ${reason}`).join(", ");
            return (
              <tr key={id} data-testid={`row-${place}-${id}`} data-right={row?.right}>
                <th scope="row"><code>{text}</code>{reasons && <small>{reasons}</small>}</th>
                {numbers.map(([key, label]) => (
                  <td key={key}>
                    <input type="number" min={0} max={999999} inputMode="numeric" aria-label={`${label}, ${text}, ${title}`} data-testid={`predict-${place}-${id}-${key}`}
                      value={given[key]} onChange={(e) => { change(withRow(draft, place, id, { [key]: e.target.value })); }} />
                    <Measured row={row} column={key} />
                  </td>
                ))}
                {answers.map(([key, label]) => (
                  <td key={key}>
                    <input type="checkbox" aria-label={`${label}, ${text}, ${title}`} data-testid={`predict-${place}-${id}-${key}`}
                      checked={given[key]} onChange={(e) => { change(withRow(draft, place, id, { [key]: e.target.checked })); }} />
                    <Measured row={row} column={key} />
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}
