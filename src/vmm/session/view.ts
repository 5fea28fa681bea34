import type { AccelVm, Observer } from "../../base/index.ts";
import { Monitor } from "../devices/monitor.ts";
import type { Machine } from "../machine.ts";
import { codeAt } from "./code.ts";
import { type Translation, translate } from "./nested.ts";
import { pagingMode } from "./paging.ts";
import type { GuestConfig, Observation, Stats, TableRequest, Wants } from "./protocol.ts";
import { eptRows, tableRows, type TableView } from "./tables.ts";

/** A machine that has been built, and what views remember of it. */
export interface Running {
  readonly vm: AccelVm;
  readonly observer: Observer;
  readonly machine: Machine;
  readonly monitor: Monitor;
  readonly config: GuestConfig;
  /** Marks since the last dirty(), since the last look of the map, and pages ever touched. */
  readonly forApi: Uint8Array;
  readonly forMap: Uint8Array;
  readonly touched: Uint8Array;
}

const TOUCHED = 4;

export function running(vm: AccelVm, observer: Observer, machine: Machine, config: GuestConfig): Running {
  const marks = () => new Uint8Array(config.ramSize / 4096);
  const monitor = new Monitor(machine.vga, machine.stdVga?.vbe);
  return { vm, observer, machine, monitor, config, forApi: marks(), forMap: marks(), touched: marks() };
}

function gather({ observer, forApi, forMap, touched }: Running): void {
  const fresh = new Uint8Array(forApi.length);
  observer.takeMarks(fresh);
  for (let page = 0; page < fresh.length; page++) {
    const mark = fresh[page] ?? 0;
    if (mark === 0) continue;
    forApi[page] = (forApi[page] ?? 0) | mark;
    forMap[page] = (forMap[page] ?? 0) | mark;
    touched[page] = TOUCHED;
  }
}

/** Numbers of the pages written since the last call. */
export function takeDirty(guest: Running): number[] {
  gather(guest);
  const pages: number[] = [];
  guest.forApi.forEach((mark, page) => { if (mark & 1) pages.push(page); });
  guest.forApi.fill(0);
  return pages;
}

export function statsOf({ vm, observer }: Running, speed: number): Stats {
  const counters = observer.counters();
  const exits = observer.exits()?.counts ?? [];
  const t = vm.clock.now();
  return {
    ...counters, instructions: t, virtual_ns: t, speed, exits: Object.fromEntries(exits),
    exits_total: exits.reduce((sum, [, n]) => sum + n, 0), tlb_misses: counters.tlbMisses, walk_refs: counters.walkReferences,
  };
}

export function translateIn({ vm, observer }: Running, gva: bigint): Translation {
  return translate(vm.memory, vm.sregs(), gva, observer.secondStage());
}

/** The tables that a translation goes through: whoever looks at tables wants them with the walk, not one look later. */
function onPath(walk: Translation): TableRequest[] {
  const base = (address: bigint, bits: bigint): bigint => (address >> bits) << bits;
  const width = walk.mode === "2-level" ? 10n : 9n;
  const guest = walk.references.map(({ table, level }): TableRequest =>
    ({ stage: "guest", table, level, from: base(walk.gva, 12n + width * BigInt(level)) }));
  const last = walk.rows.at(-1);
  const ept = (last?.ept.references ?? []).map(({ table, level }): TableRequest =>
    ({ stage: "ept", table, level, from: base(last?.gpa ?? 0n, 12n + 9n * BigInt(level)) }));
  return [...guest, ...ept];
}

function tablesOf({ vm, observer }: Running, asked: readonly TableRequest[], walk: Translation | undefined): TableView[] {
  if (asked.length === 0) return [];
  const path = walk ? onPath(walk) : [];
  const requests = [...asked, ...path.filter((p) => !asked.some((r) => r.stage === p.stage && r.table === p.table && r.level === p.level))];
  const sregs = vm.sregs();
  const second = observer.secondStage();
  return requests.flatMap(({ stage, table, level, from }) => {
    if (stage === "guest") return tableRows(vm.memory, sregs, table, level, from);
    return second ? eptRows(second, table, level, from) : [];
  });
}

/** What the page wants to see of a machine that stands between two slices. */
export function observe(guest: Running, wants: Wants, speed: number): Observation {
  const { vm, observer } = guest;
  vm.shown = Math.min(Math.max(0, Math.trunc(wants.cpu) || 0), vm.cpuCount - 1);
  const regs = vm.regs();
  const sregs = vm.sregs();
  const bits = sregs.cs.l && (sregs.efer >> 10n) & 1n ? 64 : sregs.cs.db ? 32 : 16;
  observer.recordExits(wants.exits);
  const address = wants.address === "rip" ? sregs.cs.base + regs.rip : wants.address === "rsp" ? sregs.ss.base + regs.rsp : wants.address;
  const walk = address === undefined ? undefined : translateIn(guest, address);
  let marks: Uint8Array | undefined;
  if (wants.marks) {
    gather(guest);
    marks = guest.forMap.map((mark, page) => mark | (guest.touched[page] ?? 0));
    guest.forMap.fill(0);
  }
  return {
    cpu: vm.shown, cpuCount: vm.cpuCount, regs, sregs, cpl: observer.cpl(), paging: pagingMode(sregs), bits, marks,
    code: wants.code ? codeAt(vm, sregs, sregs.cs.base + regs.rip, bits) : [], stats: statsOf(guest, speed),
    exits: observer.exits(),
    tables: tablesOf(guest, wants.tables, walk), eptRoot: observer.secondStage()?.root,
    walk,
  };
}
