import { useEffect, useMemo, useState } from "react";
import type { Wants } from "../../../vmm/index.ts";
import { Exhibit, useWant } from "../../exhibit.tsx";
import { hex } from "../../format.ts";
import { translateAddress, usePage } from "../../store.ts";
import { eptLevelNames, levelNames, rootOf } from "./levels.ts";
import style from "./tables.module.css";
import { Tree, useTree } from "./tree.tsx";
import { WalkGrid, WalkList, WalkResult } from "./walk.tsx";

const none = [] as const;
/** Of the second stage, everything down to its directories is open from the start. */
const EPT_OPEN_FROM = 3;
const ALL = 9;

function parse(text: string): bigint | undefined {
  const digits = text.trim().replace(/^0x/, "").replace(/[_ ]/g, "");
  return /^[0-9a-f]{1,16}$/.test(digits) ? BigInt(`0x${digits}`) : undefined;
}

/** Both walks of one address, and the tables they go through, locked to it. */
export function TablesPanel() {
  return (
    <Exhibit number="3" title="Page tables, both walks" area="tables" source="“Paging” and “The Extended Page Table Mechanism”, SDM volume 3"
      says="One address through the guest’s tables (read from guest memory at CR3) and each of its steps through EPT (read from host memory). Numbers give the processor’s order.">
      <Tables />
    </Exhibit>
  );
}

/** While the guest runs, the trees stay with the address they were locked to: nothing jumps. */
function useLocked(address: bigint | undefined, asked: string): bigint | undefined {
  const state = usePage((s) => s.state);
  const [locked, setLocked] = useState<{ asked: string; address: bigint | undefined }>({ asked: "", address: undefined });
  useEffect(() => {
    if (state !== "running" || locked.address === undefined || locked.asked !== asked) setLocked({ asked, address });
  }, [state, asked, address, locked.address, locked.asked]);
  return locked.address;
}

function Tables() {
  const seen = usePage((s) => s.seen);
  const asked = usePage((s) => s.address);
  const [text, setText] = useState(asked);
  useEffect(() => { setText(asked); }, [asked]);
  const mode = seen?.paging ?? "off";
  const names = levelNames[mode] ?? none;
  const levels = Math.max(0, names.length - 1);
  const root = rootOf(mode, seen?.sregs.cr3 ?? 0n);
  const address: Wants["address"] = asked === "rip" || asked === "rsp" ? asked : parse(asked);
  const walk = seen?.walk;
  // Other tables are another tree.
  const tree = `${asked} ${mode} ${root}`;
  const locked = useLocked(walk?.gva, tree);
  const lockedGpa = useLocked(walk?.gpa, tree);
  const views = seen?.tables ?? none;
  const guest = useTree({ stage: "guest", root, levels, address: locked, openFrom: ALL }, views);
  const eptRoot = seen?.eptRoot;
  const ept = useTree({ stage: "ept", root: eptRoot ?? 0n, levels: eptRoot === undefined ? 0 : 4, address: lockedGpa, openFrom: EPT_OPEN_FROM }, views);
  const requests = [...guest.requests, ...ept.requests];
  const key = requests.map((r) => `${r.stage}${r.table}.${r.level}.${r.from}`).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key stands for the requests
  const wants = useMemo(() => ({ tables: requests, address }), [key, address]);
  useWant(wants);
  const bad = address === undefined;
  return (
    <>
      <form className={style.ask} onSubmit={(e) => { e.preventDefault(); translateAddress(text.trim().toLowerCase()); }}>
        <label htmlFor="translate">Translate</label>
        <input id="translate" data-testid="translate" value={text} spellCheck={false} autoComplete="off" aria-invalid={bad} onChange={(e) => setText(e.target.value)} />
        <button type="submit">Walk</button>
        <button type="button" aria-pressed={asked === "rip"} onClick={() => translateAddress("rip")}>rip</button>
        <button type="button" aria-pressed={asked === "rsp"} onClick={() => translateAddress("rsp")}>rsp</button>
        <span className={style.mode}>{mode === "off" ? "paging off" : `${mode}, CR3 ${hex(root)}`}{eptRoot !== undefined && `, EPT at ${hex(eptRoot)}`}</span>
      </form>
      {bad && <p role="alert">Give a hexadecimal address, rip or rsp.</p>}
      <div className={eptRoot === undefined ? style.bare : style.both}>
        <div className={style.walk}>
          {walk && <WalkResult walk={walk} />}
          {walk && eptRoot !== undefined && <><WalkGrid walk={walk} /><details className={style.twin}><summary>As a list</summary><WalkList steps={walk.steps} id="walk-list" /></details></>}
          {walk && eptRoot === undefined && <WalkList steps={walk.steps} id="walk" />}
          {!walk && <p className={style.empty}>{seen ? "Not read yet." : "No guest yet."}</p>}
        </div>
        <div className={style.trees}>
        <h3>Guest page tables</h3>
        <Tree {...guest} names={names} label="Guest page tables" id="page-tables" from="GVA" to="GPA" reveal={tree}
          empty={!seen ? "No guest yet." : mode === "off" ? "Paging is off: a linear address is a guest-physical address." : "Not read yet."} />
        {eptRoot !== undefined && <h3>EPT, made by KVM</h3>}
        {eptRoot !== undefined && <Tree {...ept} names={eptLevelNames} label="EPT" id="ept-tables" from="GPA" to="HPA" reveal={tree} empty="Nothing is mapped yet." />}
        </div>
      </div>
    </>
  );
}
