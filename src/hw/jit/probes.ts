// Accesses of guest memory: the test of the fast TLB (mmu/access.ts), and what it found kept for the accesses that follow.
//
//   page of the last byte == page kept for this register? ---no---> fast TLB ---miss---> leave to the interpreter
//                 |                                                      |
//                yes: the addend kept                                its addend
//                 +-----------------------> address + addend <-----------+
//
// Addresses that come from one register mostly lie in one page: pushes, fields of a structure, a string. So the page and the
// addend of the first access are kept by register, in locals, from one instruction of a block to the next. While a block
// runs nothing changes the fast TLB; only a body that is called may, and then all is forgotten. The test of the page also
// finds an operand that crosses into the next one: its last byte is what is looked at.
//
// V8's second compiler lays out what stands behind a true condition apart from the rest: all conditions here are rare. What
// is kept is never changed within a block, for where paths join each variable that differs costs a move.
import { layout } from "../layout.ts";
import type { Emitter } from "./emitter.ts";
import { I32, I64 } from "./opcodes.ts";

const LINE_MASK = 0xffe0;
const WRITE_TAG = 8, ADDEND = 16;

/** Locals of a register: a page, and its addend. */
interface Kept { readonly page: number; readonly addend: number }

export class Probes {
  readonly #out: Emitter;
  readonly #context: number;
  /** By register, one for loads and one for stores. */
  readonly #kept = [new Map<number, Kept>(), new Map<number, Kept>()] as const;
  /** Registers whose locals hold a page here. */
  readonly #known = [new Set<number>(), new Set<number>()] as const;
  readonly #la: number;
  readonly #page: number;
  readonly #line: number;
  /** What the latest probe found. */
  readonly #addend: number;
  constructor(out: Emitter, context: number) {
    this.#out = out;
    this.#context = context;
    this.#la = out.fresh(I64);
    this.#page = out.fresh(I64);
    this.#line = out.fresh(I32);
    this.#addend = out.fresh(I32);
  }

  /** Nothing is known from here on. */
  forget(): void {
    for (const set of this.#known) set.clear();
  }
  /** Every path that leads here has made this access. A page that can be written can be read. */
  probed(write: boolean, key: number): void { this.#known[write ? 1 : 0].add(key); }
  #of(write: boolean, key: number): Kept {
    const map = this.#kept[write ? 1 : 0];
    let kept = map.get(key);
    if (!kept) {
      kept = { page: this.#out.fresh(I64), addend: this.#out.fresh(I32) };
      map.set(key, kept);
    }
    return kept;
  }
  /** The address is on the stack. @param leave emits the way out */
  probe(write: boolean, size: number, key: number, leave: () => void): void {
    const out = this.#out, known = this.#known[1].has(key) ? this.#of(true, key) : !write && this.#known[0].has(key) ? this.#of(false, key) : undefined;
    out.tee(this.#la);
    if (size > 1) { out.i64(size - 1, 0); out.op(0x7c); }
    out.i64(-4096, -1); out.op(0x83);
    out.tee(this.#page);
    if (known) {
      out.get(known.addend); out.set(this.#addend);
      out.get(known.page); out.op(0x52);
      out.open(0x04);
      out.get(this.#page);
    }
    out.get(this.#context); out.op(0x84);
    out.get(this.#la); out.i64(7, 0); out.op(0x88); out.op(0xa7); out.i32(LINE_MASK); out.op(0x71);
    out.tee(this.#line);
    out.memory(0x29, layout.FAST_TLB + (write ? WRITE_TAG : 0));
    out.op(0x52);
    out.open(0x04);
    leave();
    out.close();
    out.get(this.#line); out.memory(0x28, layout.FAST_TLB + ADDEND); out.set(this.#addend);
    if (known) { out.close(); return; }
    const kept = this.#of(write, key);
    out.get(this.#page); out.set(kept.page);
    out.get(this.#addend); out.set(kept.addend);
  }
  /** The address of the latest probe is on the stack. */
  host(): void {
    const out = this.#out;
    out.op(0xa7);
    out.get(this.#addend);
    out.op(0x6a);
  }
}
