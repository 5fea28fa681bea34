import { type Core, layout } from "../../hw/index.ts";
import type { ArchVcpu } from "../ops.ts";
import { Access, type PagingState } from "../mmu/walk.ts";
import type { CachedTables, KeptWalk, WalkCache } from "../mmu/walk-cache.ts";
import type { Move, Moves } from "./moves.ts";

const CS = 1;
const TF = 0x100,
  RF = 0x10000;
const PAE = 0x20,
  LMA = 0x400;

export interface MoveFinderOptions {
  /** The emulated processor, and the one that it stands in for. */
  readonly cpu: Core;
  readonly host: Core;
  readonly arch: ArchVcpu;
  readonly memory: CachedTables;
  readonly moves: Moves;
  readonly walks: WalkCache;
  readonly paging: PagingState;
}

/** The walks of a move: of the access and of the instruction, made in one state. */
interface Walked {
  readonly move: Move;
  readonly state: number;
  readonly data: KeptWalk;
  readonly dataStamp: number;
  readonly code: KeptWalk;
  readonly codeStamp: number;
  /** Where the instruction lies in the memory of the host's processor. */
  readonly at: number;
}

/** Is an exit on device memory that of a move that is known, so that nothing else can come of it? */
export class MoveFinder {
  readonly #o: MoveFinderOptions;
  /** By the move's place. */
  readonly #walked: (Walked | undefined)[] = [];
  /** Another one whenever the guest's state has been copied to the emulated processor. */
  state = 0;

  constructor(options: MoveFinderOptions) {
    this.#o = options;
  }

  /**
   * The move at RIP, whose access to the linear address the processor has translated to `gpa`.
   * @param flags RFLAGS
   */
  find(ripLow: number, ripHigh: number, flags: number, low: number, high: number, gpa: number, write: boolean): Move | undefined {
    const { moves, arch, cpu, walks } = this.#o;
    if (!moves.ready || (flags & (TF | RF)) !== 0) return undefined;
    const move = moves.find(ripLow, ripHigh, write, flags);
    if (!move || (low & 0xfff) + move.size > 4096 || !arch.onlyRegisters() || !this.#samePdptes()) return undefined;
    // The rest of the guest's state is that of the last instruction that has taken the long way.
    const { u32 } = cpu,
      long = u32[layout.MODE / 4] === layout.MODE_L,
      codeLow = long ? ripLow : (ripLow + (u32[layout.SEG_BASE / 4 + 2 * CS] ?? 0)) >>> 0,
      codeHigh = long ? ripHigh : 0;
    const w = this.#walked[move.place];
    if (w?.move === move && w.state === this.state && walks.holds(w.data, w.dataStamp, low, high) && walks.holds(w.code, w.codeStamp, codeLow, codeHigh))
      return w.data.gpa + (low & 0xfff) === gpa && moves.holds(move, w.at) ? move : undefined;
    return this.#walk(move, flags, low, high, gpa, codeLow, codeHigh) ? move : undefined;
  }
  /** The registers of PAE paging are loaded with CR3, also with the same CR3. */
  #samePdptes(): boolean {
    const { host, paging } = this.#o;
    if ((paging.cr4 & PAE) === 0 || (paging.efer & LMA) !== 0) return true;
    return paging.pdptes.every((word, i) => host.u32[layout.PDPTE / 4 + i] === word);
  }
  /** Both walks in full. @returns whether they lead to the device, and to the instruction */
  #walk(move: Move, flags: number, low: number, high: number, gpa: number, codeLow: number, codeHigh: number): boolean {
    const { cpu, memory, moves, walks, paging } = this.#o,
      user = atUserLevel(cpu, paging);
    paging.rflags = flags;
    if (walks.walk(paging, low, high, move.write ? Access.Write : Access.Read, user, false) !== gpa) return false;
    const data = walks.last,
      page = walks.walk(paging, codeLow, codeHigh, Access.Fetch, user, false),
      code = walks.last,
      pa = page < 0 ? -1 : memory.hpa(page, false);
    if (pa < 0 || (codeLow & 0xfff) + move.bytes.length > 4096) return false;
    const at = layout.RAM + pa;
    // Without paging there is nothing to keep.
    if (data && code) this.#walked[move.place] = { move, state: this.state, data, dataStamp: data.stamp, code, codeStamp: code.stamp, at };
    return moves.holds(move, at);
  }
}

/** CPL 3: the DPL of SS, where there is one. */
export const atUserLevel = (cpu: Core, paging: PagingState): boolean =>
  ((cpu.u32[layout.SEG_ATTR / 4 + 2] ?? 0) & 0x60) === 0x60 && (paging.cr0 & 1) !== 0;
