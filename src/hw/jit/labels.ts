// Labels of what is copied: blocks, loops, conditions, and whole functions. Where paths meet, what all of them know stays known.
import type { Emitter } from "./emitter.ts";
import { I32, NONE } from "./opcodes.ts";
import type { Slots } from "./slots.ts";
import { Kin, Refused, Values } from "./values.ts";

export const EMPTY: readonly number[] = [];

export interface Flow { readonly known: readonly number[]; readonly committed: boolean }
export interface Label {
  readonly op: number;
  readonly type: number;
  readonly level: number;
  readonly height: number;
  /** Local that the value goes through. */
  readonly result: number;
  readonly entry: Flow;
  readonly flows: Flow[];
  /** 0 no value yet, 1 all values are the constant (low, high), 2 they are not. */
  values: number;
  low: number;
  high: number;
  /** Register of the values, as on the stack. */
  base: number;
  baseOrigin: number;
  kin: number;
  delta: number;
  deltaOrigin: number;
}

export class Labels extends Values {
  /** What is known of locals that are assigned more than once: local, low, high, ... */
  protected known: readonly number[] = EMPTY;
  protected committed = false;
  protected reachable = true;
  protected outermost: Label | undefined;

  constructor(out: Emitter, slots: Slots) { super(out, slots); }

  protected flow(): Flow { return { known: this.known, committed: this.committed }; }
  protected resume(flow: Flow): void {
    this.known = flow.known;
    this.committed = flow.committed;
    this.reachable = true;
  }
  /** `op`: 02, 03, 04, or 0 for an if whose condition is known: nothing is opened. */
  protected open(op: number, type: number): Label {
    const out = this.out;
    out.open(op);
    return {
      op, type, level: out.level, height: this.height, result: type === NONE ? -1 : out.take(type),
      entry: this.flow(), flows: [], values: 0, low: 0, high: 0, base: 0, baseOrigin: 0, kin: Kin.None, delta: 0, deltaOrigin: 0,
    };
  }
  /** The value on top goes to the end of the label. */
  protected give(label: Label, keep: boolean): void {
    const top = this.height - 1, constant = this.constant[top] === 1, out = this.out;
    const l = this.low[top]!, h = this.high[top]!;
    if (label === this.outermost && !constant) throw new Refused("computes the next record");
    if (!constant) {
      label.kin = label.values === 0 ? this.kin[top]! : Kin.None;
      label.delta = this.delta[top]!;
      label.deltaOrigin = this.deltaOrigin[top]!;
      label.values = 2;
      label.base = this.from[top]!;
      label.baseOrigin = this.fromOrigin[top]!;
    } else if (label.values === 0) { label.values = 1; label.low = l; label.high = h; }
    else if (label.values === 1 && (label.low !== l || label.high !== h)) label.values = 2;
    else if (label.values === 2) label.kin = Kin.None;
    if (constant) {
      if (label !== this.outermost) {
        this.tape?.equal(this.origin[top]!, l, h);
        out.constant(label.type, l, h);
        out.set(label.result);
      }
    } else if (keep) out.tee(label.result);
    else out.set(label.result);
  }
  protected arrive(label: Label): void {
    label.flows.push(this.flow());
    if (label.type === NONE) return;
    this.give(label, false);
    this.drop(1);
  }
  protected close(label: Label): void {
    const out = this.out;
    if (this.reachable) this.arrive(label);
    out.close();
    this.drop(this.height - label.height);
    this.reachable = label.flows.length > 0;
    if (label.result >= 0) out.release(label.result);
    if (!this.reachable) { out.op(0x00); return; }
    const first = label.flows[0]!;
    let known: readonly number[] = first.known, committed = first.committed;
    if (label.flows.length > 1) {
      const common: number[] = [];
      for (let i = 0; i < first.known.length; i += 3) {
        let everywhere = true;
        for (let f = 1; f < label.flows.length && everywhere; f++) {
          const other = label.flows[f]!.known;
          everywhere = false;
          for (let k = 0; k < other.length; k += 3)
            if (other[k] === first.known[i] && other[k + 1] === first.known[i + 1] && other[k + 2] === first.known[i + 2]) { everywhere = true; break; }
        }
        if (everywhere) common.push(first.known[i]!, first.known[i + 1]!, first.known[i + 2]!);
      }
      known = common.length > 0 ? common : EMPTY;
      for (const f of label.flows) committed ||= f.committed;
    }
    this.resume({ known, committed });
    if (label.type === NONE) return;
    if (label.values === 1) this.push(label.type, label.low, label.high);
    else { out.get(label.result); this.pushEmitted(label.type, label.base, label.baseOrigin, label.kin, label.delta, label.deltaOrigin); }
  }
  protected branch(label: Label): void {
    if (label.op !== 0x03) this.arrive(label);
    this.out.branch(label.level);
    this.reachable = false;
  }
  protected branchIf(label: Label): void {
    const out = this.out;
    if (this.isConstant(0)) {
      const taken = this.decide();
      this.drop(1);
      if (taken) this.branch(label);
      return;
    }
    this.drop(1);
    if (label.op !== 0x03 && label.type !== NONE) {
      const condition = out.take(I32);
      out.set(condition);
      this.give(label, true);
      out.get(condition);
      out.release(condition);
    }
    out.branch(label.level, 0x0d);
    if (label.op !== 0x03) label.flows.push(this.flow());
  }
  protected otherwise(label: Label): void {
    this.out.op(0x05);
    this.drop(this.height - label.height);
    this.resume(label.entry);
  }
}
