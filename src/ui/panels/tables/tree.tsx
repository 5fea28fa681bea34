import { useEffect, useMemo, useRef, useState } from "react";
import type { Stage, TableRequest, TableRow, TableView } from "../../../vmm/index.ts";
import { Address, GvaLink, type Space } from "../../address.tsx";
import { bytesOf } from "../../format.ts";
import style from "./tables.module.css";

const MAX_ROWS = 300;

export interface Line { readonly row: TableRow; readonly level: number; readonly depth: number; readonly key: string; readonly open: boolean; readonly onPath: boolean }

export interface TreeShape {
  readonly stage: Stage;
  readonly root: bigint;
  /** 0: there are no tables. */
  readonly levels: number;
  /** The address that the tree is locked to. */
  readonly address: bigint | undefined;
  /** Levels from this one on are open unless they were closed by hand. */
  readonly openFrom: number;
}

const keyOf = (level: number, from: bigint): string => `${level}:${from.toString(16)}`;
const holds = (row: TableRow, address: bigint | undefined): boolean =>
  address !== undefined && row.from <= address && address < row.from + BigInt(row.pageSize) * BigInt(row.count);

/** The rows that are to be seen, and which tables they need read. */
export function useTree(shape: TreeShape, views: readonly TableView[]) {
  const { stage, root, levels, address, openFrom } = shape;
  const [choice, setChoice] = useState<ReadonlyMap<string, boolean>>(new Map());
  const { lines, requests } = useMemo(() => {
    const lines: Line[] = [];
    const requests: TableRequest[] = [];
    const add = (table: bigint, level: number, from: bigint, depth: number): void => {
      requests.push({ stage, table, level, from });
      const view = views.find((v) => v.stage === stage && v.table === table && v.level === level);
      for (const row of view?.rows ?? []) {
        if (lines.length >= MAX_ROWS) return;
        const key = keyOf(level, row.from);
        const onPath = holds(row, address);
        const open = !row.leaf && (choice.get(key) ?? (onPath || level >= openFrom));
        lines.push({ row, level, depth, key, open, onPath });
        if (open) add(row.target, level - 1, row.from, depth + 1);
      }
    };
    if (levels > 0) add(root, levels, 0n, 0);
    return { lines, requests };
  }, [stage, root, levels, address, openFrom, views, choice]);
  const toggle = (line: Line): void => {
    if (!line.row.leaf) setChoice(new Map(choice).set(line.key, !line.open));
  };
  return { lines, requests, toggle };
}

interface TreeProps {
  readonly lines: readonly Line[];
  readonly toggle: (line: Line) => void;
  readonly names: readonly string[];
  readonly label: string;
  readonly id: string;
  readonly from: Space;
  readonly to: Space;
  readonly empty: string;
  /** Changes when the tree should show its path. */
  readonly reveal: string;
}

/** A tree of page tables; arrows move and open, Home and End go to the ends. */
export function Tree({ lines, toggle, names, label, id, from, to, empty, reveal }: TreeProps) {
  const box = useRef<HTMLDivElement>(null);
  const [current, setCurrent] = useState("");
  const stop = lines.some((l) => l.key === current) ? current : (lines.findLast((l) => l.onPath) ?? lines[0])?.key;
  const end = lines.findLastIndex((l) => l.onPath);
  const path = lines[end]?.key ?? "";
  useEffect(() => {
    const row = reveal && end >= 0 ? box.current?.querySelector<HTMLElement>("tr[data-end]") : undefined;
    // Whoever reads here is left alone.
    if (!row || !box.current || box.current.matches(":hover, :focus-within")) return;
    const { scrollTop, clientHeight } = box.current;
    // Only this box scrolls, never the page, and only for a row that cannot be seen.
    if (row.offsetTop < scrollTop + row.offsetHeight || row.offsetTop + row.offsetHeight > scrollTop + clientHeight) {
      box.current.scrollTop = row.offsetTop - clientHeight / 2;
    }
  }, [reveal, end]);
  return (
    <div className={style.scroll} ref={box}>
      {/* biome-ignore lint/a11y/noNoninteractiveElementToInteractiveRole: the ARIA treegrid pattern is a table with this role */}
      <table role="treegrid" aria-label={label} data-testid={id}>
        <thead><tr><th scope="col">{from}</th><th scope="col">entry</th><th scope="col">maps</th><th scope="col">flags</th></tr></thead>
        <tbody>
          {lines.map((line) => (
            <tr key={line.key} aria-level={line.depth + 1} aria-expanded={line.row.leaf ? undefined : line.open} aria-current={line.onPath ? "location" : undefined}
              data-path={line.onPath || undefined} data-end={line.key === path || undefined} className={line.onPath ? style.path : undefined}
              tabIndex={line.key === stop ? 0 : -1} onFocus={() => { setCurrent(line.key); }} onClick={() => { toggle(line); }}
              onKeyDown={(e) => { treeKey(e, line, toggle); }}>
              <td style={{ paddingLeft: 4 + line.depth * 10 }}>
                <span aria-hidden="true" className={style.twist}>{line.row.leaf ? "" : line.open ? "▾" : "▸"}</span>
                {from === "GVA" && line.row.leaf ? <GvaLink value={line.row.from} /> : line.row.from.toString(16)}
              </td>
              <td>{names[line.level]}[{line.row.index}{line.row.count > 1 ? `–${line.row.index + line.row.count - 1}` : ""}]</td>
              <td>{line.row.leaf
                ? <><Address space={to} value={line.row.target} /> {line.row.count > 1 ? `${line.row.count} × ` : ""}{bytesOf(line.row.pageSize)}</>
                : <span className={style.table}>table {line.row.target.toString(16)}</span>}</td>
              <td>{line.row.flags}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {lines.length === 0 && <p className={style.empty}>{empty}</p>}
      {lines.length >= MAX_ROWS && <p className={style.empty}>More rows than are shown: close some.</p>}
    </div>
  );
}

function treeKey(e: React.KeyboardEvent<HTMLTableRowElement>, line: Line, toggle: (line: Line) => void): void {
  const row = e.currentTarget;
  const parent = (): Element | null => {
    let at = row.previousElementSibling;
    while (at && Number(at.getAttribute("aria-level")) > line.depth) at = at.previousElementSibling;
    return at;
  };
  const goal = (): Element | null | undefined => {
    switch (e.key) {
      case "ArrowDown": return row.nextElementSibling;
      case "ArrowUp": return row.previousElementSibling;
      case "Home": return row.parentElement?.firstElementChild;
      case "End": return row.parentElement?.lastElementChild;
      case "ArrowRight": return line.open ? row.nextElementSibling : undefined;
      case "ArrowLeft": return line.open ? undefined : parent();
      default: return undefined;
    }
  };
  const target = goal();
  if (target instanceof HTMLElement) target.focus();
  const turns = e.target === row && (e.key === "Enter" || (e.key === "ArrowRight" && !line.open) || (e.key === "ArrowLeft" && line.open));
  if (turns) toggle(line);
  if (target || turns) e.preventDefault();
}
