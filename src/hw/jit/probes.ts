// Accesses of guest memory: the test of the fast TLB (mmu/access.ts), and what it found kept for the accesses that follow.
//
//   page of the last byte == page kept for this register? ---no---> fast TLB ---miss---> leave to the interpreter
//                 |                                                      |
//                 +--yes--> address + addend kept <---- page, addend ----+
//
// Addresses that come from one register mostly lie in one page: pushes, fields of a structure, a string. So page and addend
// are kept by register, in locals, from one instruction of a block to the next. While a block runs nothing changes the fast
// TLB; only a body that is called may, and then all is forgotten. The test of the page also finds an operand that crosses
// into the next one: its last byte is what is looked at.
//
// V8's second compiler lays out what stands behind a true condition apart from the rest: all conditions here are rare.
import { layout } from "../layout.ts";
import type { Emitter } from "./emitter.ts";
import { I32, I64 } from "./opcodes.ts";

/** No page. */
const NEVER = 1;
const LINE_MASK = 0xffe0;
const WRITE_TAG = 8, ADDEND = 16;

/** Locals: pages that may be read and written, 1 for none, and the addend of both. */
interface Kept { readonly read: number; readonly write: number; readonly addend: number }

export class Probes {
  readonly #out: Emitter;
  readonly #context: number;
  readonly #kept = new Map<number, Kept>();
  /** Keys whose locals hold a page here. */
  readonly #readable = new Set<number>();
  readonly #writable = new Set<number>();
  /** Keys whose local of a page to write may hold one. */
  readonly #written = new Set<number>();
  #la = -1;
  #page = -1;
  #line = -1;
  constructor(out: Emitter, context: number) {
    this.#out = out;
    this.#context = context;
  }

  /** Nothing is known from here on. */
  forget(): void {
    this.#readable.clear();
    this.#writable.clear();
    this.#written.clear();
  }
  /** Every path that leads here has made this access. */
  probed(write: boolean, key: number): void {
    this.#readable.add(key);
    if (write) this.#writable.add(key);
  }
  #of(key: number): Kept {
    let kept = this.#kept.get(key);
    if (!kept) {
      const out = this.#out;
      kept = { read: out.fresh(I64), write: out.fresh(I64), addend: out.fresh(I32) };
      this.#kept.set(key, kept);
      if (this.#la < 0) {
        this.#la = out.fresh(I64);
        this.#page = out.fresh(I64);
        this.#line = out.fresh(I32);
      }
    }
    return kept;
  }
  /** The address is on the stack. @param leave emits the way out */
  probe(write: boolean, size: number, key: number, leave: () => void): void {
    const out = this.#out, kept = this.#of(key), known = (write ? this.#writable : this.#readable).has(key);
    out.tee(this.#la);
    if (size > 1) { out.i64(size - 1, 0); out.op(0x7c); }
    out.i64(-4096, -1); out.op(0x83);
    out.tee(this.#page);
    if (known) {
      out.get(write ? kept.write : kept.read); out.op(0x52);
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
    out.get(this.#page);
    if (write) {
      out.tee(kept.write);
      this.#written.add(key);
    }
    out.set(kept.read);
    // The addend has changed for both.
    if (!write && this.#written.has(key)) { out.i64(NEVER, 0); out.set(kept.write); }
    out.get(this.#line); out.memory(0x28, layout.FAST_TLB + ADDEND); out.set(kept.addend);
    if (known) out.close();
  }
  host(key: number): void {
    const out = this.#out;
    out.op(0xa7);
    out.get(this.#of(key).addend);
    out.op(0x6a);
  }
}
