import { useEffect, useState } from "react";
import type { TableRequest, TableRow, Walk } from "../../../vmm/index.ts";
import { Exhibit } from "../../exhibit.tsx";
import { bytesOf, hex } from "../../format.ts";
import { follow, usePage } from "../../store.ts";
import style from "./tables.module.css";

const levelNames: Readonly<Record<string, readonly string[]>> = {
  "4-level": ["", "PT", "PD", "PDPT", "PML4"], PAE: ["", "PT", "PD", "PDPT"], "2-level": ["", "PT", "PD"], off: [],
};
const MAX_ROWS = 400;

/** Every reference of one translation, in the order the processor makes them. */
function WalkSteps({ walk }: { walk: Walk }) {
  return (
    <ol className={style.walk} data-testid="walk">
      {walk.references.map((r) => (
        <li key={r.level}>
          <b>{r.name}</b> <span>table {hex(r.table)} [{r.index}] at <i>{hex(r.address)}</i> = {hex(r.value)}</span> <em>{r.flags || "not present"}</em>
        </li>
      ))}
      <li className={style.end}>
        {walk.gpa === undefined ? <><b>✕</b> <span>{walk.fault}</span></>
          : <><b>=</b> <span>GPA <i data-testid="walk-gpa">{hex(walk.gpa)}</i>, page of {bytesOf(walk.pageSize)}</span> <em>{walk.access}</em></>}
      </li>
    </ol>
  );
}

interface Line { readonly row: TableRow; readonly level: number; readonly depth: number; readonly key: string }

/** The guest's page tables as a tree, read from its memory from CR3 on. */
export function TablesPanel() {
  const seen = usePage((s) => s.seen);
  const [open, setOpen] = useState<ReadonlyMap<string, TableRequest>>(new Map());
  const [text, setText] = useState("rip");
  const [asked, setAsked] = useState<string>("rip");
  const mode = seen?.paging ?? "off";
  const levels = (levelNames[mode] ?? []).length - 1;
  const cr3 = seen?.sregs.cr3 ?? 0n;
  const root = cr3 & (mode === "PAE" ? 0xffffffe0n : mode === "2-level" ? 0xfffff000n : 0x000ffffffffff000n);
  const address = asked === "rip" ? seen?.regs.rip : asked === "rsp" ? seen?.regs.rsp : parse(asked);
  useEffect(() => {
    const tables = levels > 0 ? [{ table: root, level: levels, gva: 0n }, ...open.values()] : [];
    follow({ tables, address });
  }, [root, levels, open, address]);
  const lines: Line[] = [];
  const add = (table: bigint, level: number, depth: number): void => {
    const view = seen?.tables.find((v) => v.table === table && v.level === level);
    for (const row of view?.rows ?? []) {
      if (lines.length >= MAX_ROWS) return;
      const key = `${level}:${row.gva.toString(16)}`;
      lines.push({ row, level, depth, key });
      if (!row.leaf && open.has(key)) add(row.target, level - 1, depth + 1);
    }
  };
  if (levels > 0) add(root, levels, 0);
  const toggle = ({ row, level, key }: Line): void => {
    const next = new Map(open);
    if (!next.delete(key)) next.set(key, { table: row.target, level: level - 1, gva: row.gva });
    setOpen(next);
  };
  return (
    <Exhibit number="2" title="Page tables" area="tables" source="“Paging”, SDM volume 3; read from guest memory at CR3"
      says="One address, every reference of its walk; below, the tables themselves. Successive frames with equal flags are one row.">
      <form className={style.ask} onSubmit={(e) => { e.preventDefault(); setAsked(text.trim().toLowerCase()); }}>
        <label>Translate <input data-testid="translate" value={text} spellCheck={false} onChange={(e) => setText(e.target.value)} /></label>
        <button type="submit">Walk</button>
        <span className={style.mode}>{mode === "off" ? "paging off" : `${mode}, CR3 ${hex(root)}`}</span>
      </form>
      {address === undefined && asked !== "" && seen && <p role="alert">Give a hexadecimal address, rip or rsp.</p>}
      {seen?.walk && <WalkSteps walk={seen.walk} />}
      <div className={style.scroll}>
        {/* biome-ignore lint/a11y/noNoninteractiveElementToInteractiveRole: the ARIA treegrid pattern is a table with this role */}
        <table role="treegrid" aria-label="Guest page tables" data-testid="page-tables">
          <thead><tr><th>GVA</th><th>entry</th><th>maps</th><th>flags</th></tr></thead>
          <tbody>
            {lines.map((line) => (
              <tr key={line.key} aria-level={line.depth + 1} aria-expanded={line.row.leaf ? undefined : open.has(line.key)}
                tabIndex={0} onClick={() => { if (!line.row.leaf) toggle(line); }}
                onKeyDown={(e) => { treeKey(e, line, open.has(line.key), toggle); }}>
                <td style={{ paddingLeft: line.depth * 12 }}>
                  <span aria-hidden="true" className={style.twist}>{line.row.leaf ? "" : open.has(line.key) ? "▾" : "▸"}</span>
                  {line.row.gva.toString(16)}
                </td>
                <td>{levelNames[mode]?.[line.level]}[{line.row.index}{line.row.count > 1 ? `–${line.row.index + line.row.count - 1}` : ""}]</td>
                <td className={line.row.leaf ? style.frame : style.table}>
                  {line.row.target.toString(16)}{line.row.leaf ? ` ${line.row.count > 1 ? `${line.row.count}×` : ""}${bytesOf(line.row.pageSize)}` : " table"}
                </td>
                <td>{line.row.flags}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {seen && levels <= 0 && <p>Paging is off: a linear address is a guest-physical address.</p>}
        {!seen && <p>No guest yet.</p>}
      </div>
    </Exhibit>
  );
}

function treeKey(e: React.KeyboardEvent<HTMLTableRowElement>, line: Line, isOpen: boolean, toggle: (line: Line) => void): void {
  const move = e.key === "ArrowDown" ? e.currentTarget.nextElementSibling : e.key === "ArrowUp" ? e.currentTarget.previousElementSibling : undefined;
  if (move instanceof HTMLElement) move.focus();
  const turns = e.key === "Enter" || (e.key === "ArrowRight" && !isOpen) || (e.key === "ArrowLeft" && isOpen);
  if (turns && !line.row.leaf) toggle(line);
  if (move || turns) e.preventDefault();
}

function parse(text: string): bigint | undefined {
  const digits = text.replace(/^0x/, "").replace(/[_ ]/g, "");
  return /^[0-9a-f]{1,16}$/.test(digits) ? BigInt(`0x${digits}`) : undefined;
}
