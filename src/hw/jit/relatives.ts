// Which registers differ by constants: what PUSH, POP, LEA and MOV have done to them since the block began.
//
//   block begins   rsp = root 1          rbp = root 2
//   push rbx       rsp = root 1 - 8
//   mov rbp, rsp                         rbp = root 1 - 8       (nothing is root 2 any more)
//   and rsp, -16   rsp = root 3
import { Kin } from "./values.ts";

/** A register's value: root + delta as kin says. */
interface Relative { readonly root: number; readonly delta: number; readonly kin: number }
/** An address: those of one root differ as their deltas do, as long as they lie in one page. */
export interface RelativePlace { readonly root: number; readonly delta: number }

/** Further from its root a register has a root of its own. */
const MAX_DELTA = 1 << 28;

export class Relatives {
  readonly #registers = new Map<number, Relative>();
  #roots = 0;
  /** Moves of the instruction in hand: all of them start from the values before it. */
  readonly #moves = new Map<number, Relative | undefined>();

  clear(): void {
    this.#registers.clear();
    this.#moves.clear();
  }
  #of(register: number): Relative {
    return this.#registers.get(register) ?? this.#root(register);
  }
  /** A register of which nothing is known any more. */
  #root(register: number): Relative {
    const r = { root: ++this.#roots, delta: 0, kin: Kin.Whole };
    this.#registers.set(register, r);
    return r;
  }
  /** What is `delta` from a register, as kin says. */
  #relative(register: number, kin: number, delta: number): Relative | undefined {
    if (kin === Kin.None) return undefined;
    const r = this.#of(register), sum = r.delta + delta;
    if (sum > MAX_DELTA || sum < -MAX_DELTA) return undefined;
    const exact = r.kin === Kin.Whole || (r.kin === Kin.Low && delta === 0);
    return { root: r.root, delta: sum, kin: kin === Kin.Whole ? (exact ? r.kin : Kin.Modulo) : kin };
  }
  /** Where an address lies that is computed from a register; undefined when that is not known exactly. An address of 32 bits
   *  may be 4 GiB from one of 64 with the same delta, so they have roots of their own. */
  place(register: number, kin: number, delta: number): RelativePlace | undefined {
    const r = this.#relative(register, kin, delta);
    return r && r.kin !== Kin.Modulo ? { root: 2 * r.root + (r.kin === Kin.Low ? 1 : 0), delta: r.delta } : undefined;
  }
  moved(to: number, from: number, kin: number, delta: number): void {
    // Two writes of a register, or a value from one that was written before: only order would tell.
    const unclear = this.#moves.has(to) || this.#moves.has(from);
    this.#moves.set(to, unclear ? undefined : this.#relative(from, kin, delta));
  }
  /** The instruction is complete. */
  settle(): void {
    for (const [to, r] of this.#moves) {
      if (r) this.#registers.set(to, r);
      else this.#root(to);
    }
    this.#moves.clear();
  }
}
