// A function under construction: bytes, locals, the depth of labels. Positions where state is spilled and reloaded are
// remembered and filled in at the end, when it is known which state the function keeps in locals.
import { I32, I64, NONE } from "./opcodes.ts";
import type { Tape } from "./templates.ts";

export class Emitter {
  bytes = new Uint8Array(1 << 14);
  n = 0;
  /** Labels open. */
  level = 0;
  #setAt = 0;
  #setEnd = -1;
  #setLocal = -1;
  /** Told of what is emitted, for the next time. */
  tape: Tape | undefined;
  readonly marks: { at: number; reload: boolean }[] = [];
  readonly #params: number;
  readonly #types: number[];
  readonly #free: number[][] = [];

  constructor(params: readonly number[]) {
    this.#types = [...params];
    this.#params = params.length;
  }
  /** Types of the locals behind the parameters. */
  get locals(): readonly number[] { return this.#types.slice(this.#params); }

  #room(n: number): void {
    if (this.n + n <= this.bytes.length) return;
    const larger = new Uint8Array(2 * this.bytes.length + n);
    larger.set(this.bytes);
    this.bytes = larger;
  }
  op(byte: number): void {
    if (this.n === this.bytes.length) this.#room(1);
    this.bytes[this.n++] = byte;
  }
  unsigned(value: number): void {
    for (; value > 127; value >>>= 7) this.op((value & 127) | 128);
    this.op(value);
  }
  #signed(value: number): void {
    for (;;) {
      const bits = value & 127;
      value >>= 7;
      if ((value === 0 && bits < 64) || (value === -1 && bits >= 64)) { this.op(bits); return; }
      this.op(bits | 128);
    }
  }
  i32(value: number): void {
    this.op(0x41);
    this.#signed(value);
  }
  i64(low: number, high: number): void {
    this.op(0x42);
    if (high === low >> 31) { this.#signed(low); return; }
    for (;;) {
      const bits = low & 127;
      low = (low >>> 7) | (high << 25);
      high >>= 7;
      if ((low === 0 && high === 0 && bits < 64) || (low === -1 && high === -1 && bits >= 64)) { this.op(bits); return; }
      this.op(bits | 128);
    }
  }
  /** A constant of -8,192 to 8,191 that fill() sets; returns where it stands. */
  padded(op: number): number {
    this.op(op);
    this.op(0x80);
    this.op(0);
    return this.n - 2;
  }
  fill(at: number, value: number): void {
    this.bytes[at] = (value & 127) | 128;
    this.bytes[at + 1] = (value >> 7) & 127;
  }
  constant(type: number, low: number, high: number): void {
    if (type === I64) this.i64(low, high);
    else this.i32(low);
  }
  copy(source: Uint8Array, from: number, to: number): void {
    this.#room(to - from);
    const { bytes } = this;
    let { n } = this;
    for (let i = from; i < to; i++) bytes[n++] = source[i]!;
    this.n = n;
  }
  get(local: number): void {
    this.tape?.local(0x20, local);
    // What was just stored stays on the stack.
    if (this.#setEnd === this.n && this.#setLocal === local) {
      this.bytes[this.#setAt] = 0x22;
      this.#setEnd = -1;
      return;
    }
    this.op(0x20);
    this.unsigned(local);
    this.tape?.after();
  }
  set(local: number): void {
    this.tape?.local(0x21, local);
    this.#setAt = this.n;
    this.#setLocal = local;
    this.op(0x21);
    this.unsigned(local);
    this.#setEnd = this.n;
    this.tape?.after();
  }
  tee(local: number): void {
    this.tape?.local(0x22, local);
    this.op(0x22);
    this.unsigned(local);
    this.tape?.after();
  }
  /** A constant that is known as an expression of the record (0: of nothing). */
  value(type: number, low: number, high: number, expression: number): void {
    if (expression === 0 || !this.tape) { this.constant(type, low, high); return; }
    this.tape.constant(type, expression);
    this.constant(type, low, high);
    this.tape.after();
  }
  /** A load or store opcode with its offset, alignment 1. */
  memory(opcode: number, offset: number): void {
    this.op(opcode);
    this.op(0);
    this.unsigned(offset);
  }

  /** A local for the whole function; take() gives one until it is given back. */
  fresh(type: number): number { return this.#types.push(type) - 1; }
  take(type: number): number {
    const list = this.#free[type];
    return list !== undefined && list.length > 0 ? list.pop()! : this.fresh(type);
  }
  release(local: number): void {
    const type = this.#types[local] ?? I32;
    const list = this.#free[type];
    if (list) list.push(local);
    else this.#free[type] = [local];
  }
  typeOf(local: number): number { return this.#types[local] ?? NONE; }

  /** Opens a block, loop or if without a value; returns its label. */
  open(op: number): number {
    this.op(op);
    this.op(NONE);
    return ++this.level;
  }
  close(): void {
    this.op(0x0b);
    this.level--;
  }
  branch(label: number, op = 0x0c): void {
    this.op(op);
    this.unsigned(this.level - label);
  }
  /** State is written to memory here, or (reload) taken from there. */
  mark(reload: boolean): void {
    this.marks.push({ at: this.n, reload });
    this.#setEnd = -1;
  }
  /** Forget what was emitted from `n` on. */
  reset(n: number, level: number): void {
    this.n = n;
    this.level = level;
    this.#setEnd = -1;
  }
}
