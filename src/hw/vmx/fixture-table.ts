// Runs the guest of a table of VM entries or exits on a bare core, for the tests of this folder.
import { layout, Stop } from "../index.ts";
import { entryGuest, outcomes, type Table } from "./entry-guest.ts";
import { openCore, poke } from "./fixture.ts";

export interface Run {
  /** What the guest printed for each case. */
  readonly outcomes: readonly string[];
  /** The check that the core named for each case, 0 for none. */
  readonly checks: readonly number[];
}
/** Runs the guest as a multiboot loader starts it: 32-bit protected mode, flat segments, paging off. */
export async function runTable(table: Table): Promise<Run> {
  let printed = "";
  const checks: number[] = [];
  const core = await openCore([], {
    portRead: () => 0x20,
    portWrite: (port, _size, value) => {
      if (port !== 0x3f8) return;
      printed += String.fromCharCode(value);
      if (value === 10) checks.push(x.vmxFailedCheck());
    },
  });
  const x = core.exports, guest = entryGuest(table);
  poke(core, 0x100000, guest.bytes);
  core.u64[layout.CR0 / 8] = 0x11n;
  for (let s = 0; s < 6; s++) {
    core.u64[layout.SEG_BASE / 8 + s] = 0n;
    core.u32[layout.SEG_LIMIT / 4 + s] = 0xffffffff;
    core.u32[layout.SEG_ATTR / 4 + s] = s === 1 ? 0xc09b : 0xc093;
  }
  core.u64[layout.RIP / 8] = BigInt(guest.entry);
  x.updateMode();
  const stop = x.run(10_000_000);
  if (stop !== Stop.Halt) throw new Error(`${table} guest: stopped with ${stop} after ${printed.slice(-80)}`);
  return { outcomes: outcomes(table, printed), checks: checks.slice(0, -1) };
}
