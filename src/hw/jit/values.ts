// The virtual stack of the splicer: what is a constant there has not been emitted yet.
import type { Emitter } from "./emitter.ts";
import type { Slots } from "./slots.ts";
import type { Tape } from "./templates.ts";

const MAX_STACK = 256;

/** How a value is related to the register that it was computed from: no further, or it is register + delta in all 64 bits, in its
 *  low 32 with zeroes above, or in its low 32 with anything above. */
export const Kin = { None: 0, Whole: 1, Low: 2, Modulo: 3 } as const;

/** Why a stencil cannot be spliced. */
export class Refused extends Error {}

export class Values {
  protected out: Emitter;
  protected slots: Slots;
  protected tape: Tape | undefined;
  // The virtual stack: type, whether the value is a constant, its halves.
  protected readonly type = new Uint8Array(MAX_STACK);
  protected readonly constant = new Uint8Array(MAX_STACK);
  protected readonly low = new Int32Array(MAX_STACK);
  protected readonly high = new Int32Array(MAX_STACK);
  /** Of a constant: its expression on the tape, 0 when it is the same for every record. */
  protected readonly origin = new Int32Array(MAX_STACK);
  /** Of anything else: address of the register that it was computed from, 0 when none, and the expression of that. */
  protected readonly from = new Int32Array(MAX_STACK);
  protected readonly fromOrigin = new Int32Array(MAX_STACK);
  /** How it is related to that register, by which difference, and the expression of that. */
  protected readonly kin = new Uint8Array(MAX_STACK);
  protected readonly delta = new Int32Array(MAX_STACK);
  protected readonly deltaOrigin = new Int32Array(MAX_STACK);
  protected height = 0;

  constructor(out: Emitter, slots: Slots) {
    this.out = out;
    this.slots = slots;
  }

  protected push(type: number, l: number, h: number, origin = 0): void {
    const at = this.height++;
    this.type[at] = type;
    this.constant[at] = 1;
    this.low[at] = l;
    this.high[at] = h;
    this.origin[at] = origin;
    this.from[at] = 0;
  }
  protected pushEmitted(type: number, from = 0, fromOrigin = 0, kin: number = Kin.None, delta = 0, deltaOrigin = 0): void {
    const at = this.height++;
    this.type[at] = type;
    this.constant[at] = 0;
    this.from[at] = from;
    this.fromOrigin[at] = fromOrigin;
    this.kin[at] = kin;
    this.delta[at] = delta;
    this.deltaOrigin[at] = deltaOrigin;
  }
  protected drop(n: number): void {
    this.height -= n;
    if (this.height < 0) throw new Refused("stack underflow");
  }
  /** Is the constant on top, a condition, true? */
  protected decide(): boolean {
    const top = this.height - 1, l = this.low[top]!;
    this.tape?.truth(this.origin[top]!, l);
    return l !== 0;
  }
  protected isConstant(depth: number): boolean { return this.constant[this.height - 1 - depth] === 1; }
  /** The top n operands are needed on the emitted stack, in order. */
  protected arrange(n: number): void {
    const height = this.height, out = this.out;
    let first = height - n;
    while (first < height && !this.constant[first]) first++;
    if (first === height) return;
    let spilled: number[] | undefined;
    for (let i = height - 1; i > first; i--) {
      if (this.constant[i]) continue;
      const local = out.take(this.type[i]!);
      out.set(local);
      spilled ??= [];
      spilled[i - first] = local;
    }
    for (let i = first; i < height; i++) {
      const local = spilled?.[i - first];
      if (local !== undefined) {
        out.get(local);
        out.release(local);
      } else if (this.constant[i]) {
        out.value(this.type[i]!, this.low[i]!, this.high[i]!, this.origin[i]!);
        this.constant[i] = 0;
      }
    }
  }
}
