// Locals of the functions that are copied, one function's behind the other's: constants, or locals of the output.
import { EMPTY, Labels } from "./labels.ts";
import type { FunctionBody } from "./stencils.ts";
import { Kin, Refused } from "./values.ts";

const MAX_LOCALS = 2048;

export class Locals extends Labels {
  // Locals of the functions that are being copied, one behind the other: a constant (1), its halves; a local of the output.
  protected readonly fixed = new Uint8Array(MAX_LOCALS);
  protected readonly fixedLow = new Int32Array(MAX_LOCALS);
  protected readonly fixedHigh = new Int32Array(MAX_LOCALS);
  protected readonly fixedOrigin = new Int32Array(MAX_LOCALS);
  protected readonly localOut = new Int32Array(MAX_LOCALS);
  protected readonly localFrom = new Int32Array(MAX_LOCALS);
  protected readonly localFromOrigin = new Int32Array(MAX_LOCALS);
  protected readonly localKin = new Uint8Array(MAX_LOCALS);
  protected readonly localDelta = new Int32Array(MAX_LOCALS);
  protected readonly localDeltaOrigin = new Int32Array(MAX_LOCALS);
  /** Assignments emitted. */
  protected readonly assigned = new Uint8Array(MAX_LOCALS);
  protected base = 0;

  /** Locals of a function: where they start. */
  protected enterFunction(count: number): number {
    const locals = this.base;
    this.base += count;
    if (this.base > MAX_LOCALS) throw new Refused("too many locals");
    this.fixed.fill(0, locals, this.base);
    this.localOut.fill(-1, locals, this.base);
    this.assigned.fill(0, locals, this.base);
    return locals;
  }
  protected leaveFunction(locals: number, count: number): void {
    for (let i = 0; i < count; i++) {
      const local = this.localOut[locals + i]!;
      if (local < 0) continue;
      this.forget(local);
      this.out.release(local);
    }
    this.base = locals;
  }
  protected isKnown(local: number): boolean {
    for (let i = 0; i < this.known.length; i += 3) if (this.known[i] === local) return true;
    return false;
  }
  protected forget(local: number): void {
    const k = this.known;
    for (let i = 0; i < k.length; i += 3)
      if (k[i] === local) { this.known = k.length === 3 ? EMPTY : [...k.slice(0, i), ...k.slice(i + 3)]; return; }
  }
  /** Local := top of the stack. A constant in a local that is assigned once needs no code. */
  protected assign(f: FunctionBody, locals: number, i: number): void {
    const top = this.height - 1, constant = this.constant[top], out = this.out, l = this.low[top]!, h = this.high[top]!, origin = this.origin[top]!;
    if (constant && f.single[i]) {
      this.fixed[locals + i] = 1;
      this.assigned[locals + i] = 1;
      this.fixedLow[locals + i] = l;
      this.fixedHigh[locals + i] = h;
      this.fixedOrigin[locals + i] = origin;
      this.drop(1);
      return;
    }
    let local = this.localOut[locals + i]!;
    if (local < 0) {
      local = out.take(this.type[top]!);
      this.localOut[locals + i] = local;
    }
    this.fixed[locals + i] = 0;
    this.localFrom[locals + i] = this.from[top]!;
    this.localFromOrigin[locals + i] = this.fromOrigin[top]!;
    // Of two assignments a read may see either.
    this.localKin[locals + i] = constant || this.assigned[locals + i] ? Kin.None : this.kin[top]!;
    this.assigned[locals + i] = 1;
    this.localDelta[locals + i] = this.delta[top]!;
    this.localDeltaOrigin[locals + i] = this.deltaOrigin[top]!;
    if (!f.single[i]) {
      this.forget(local);
      if (constant) {
        this.tape?.equal(origin, l, h);
        this.known = [...this.known, local, l, h];
      }
    }
    if (constant) out.constant(this.type[top]!, l, h);
    out.set(local);
    this.drop(1);
  }
  protected read(f: FunctionBody, locals: number, i: number): void {
    const type = f.types[i]!;
    if (this.fixed[locals + i]) { this.push(type, this.fixedLow[locals + i]!, this.fixedHigh[locals + i]!, this.fixedOrigin[locals + i]!); return; }
    const local = this.localOut[locals + i]!;
    if (local < 0) throw new Refused("reads a local before it is assigned");
    if (!f.single[i]) {
      const k = this.known;
      for (let n = 0; n < k.length; n += 3)
        if (k[n] === local) { this.push(type, k[n + 1]!, k[n + 2]!); return; }
    }
    this.out.get(local);
    this.pushEmitted(type, this.localFrom[locals + i]!, this.localFromOrigin[locals + i]!, this.localKin[locals + i]!, this.localDelta[locals + i]!, this.localDeltaOrigin[locals + i]!);
  }
}
