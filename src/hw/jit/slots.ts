// Registers, lazy flags and XMM registers as locals of translated code; the rest of the state stays in memory.
import { layout } from "../layout.ts";
import { Emitter } from "./emitter.ts";
import { I64, V128, loadType, I32 } from "./opcodes.ts";

const RIPB = layout.REGS + layout.RIPB_OFF;
const scratch = new Emitter([]);

export class Slots {
  readonly #out: Emitter;
  /** Address of the state word by local. */
  readonly #held = new Map<number, number>();
  readonly #written = new Set<number>();
  constructor(out: Emitter) { this.#out = out; }

  /** Address of the word that holds `address` if it is kept in a local, else -1. */
  #base(address: number): number {
    if (address >= layout.XMM && address < layout.XMM + 256) return address & ~15;
    const base = address & ~7;
    if (base >= layout.REGS && base < layout.REGS + 128) return base;
    return base === layout.LF_RES || base === layout.LF_AUX || base === RIPB ? base : -1;
  }
  has(address: number): boolean { return this.#base(address) >= 0; }
  /** Does an access of the state area by a computed address reach what is held in locals? */
  static reaches(offset: number): boolean { return offset >= layout.REGS && offset < layout.XMM + 256; }
  local(base: number): number {
    let found = this.#held.get(base);
    if (found === undefined) {
      found = this.#out.fresh(base >= layout.XMM ? V128 : I64);
      this.#held.set(base, found);
    }
    return found;
  }
  /** The local that holds the word at or around an address, which has() knows. */
  localAt(address: number): number { return this.local(this.#base(address)); }
  changed(address: number): void { this.#written.add(this.#base(address)); }
  written(base: number): void { this.#written.add(base); }

  /** Emit a load (28..35) from the state; false when the address is plain memory. */
  load(address: number, op: number): boolean {
    const base = this.#base(address);
    if (base < 0 || op === 0x2a || op === 0x2b) return false;
    const out = this.#out, at = address - base;
    if (base >= layout.XMM) return this.#loadLane(base, at, op);
    out.get(this.local(base));
    if (at > 0) { out.i64(8 * at, 0); out.op(0x88); }
    const narrow = loadType(op) === I32;
    if (narrow) out.op(0xa7);
    switch (op) {
      case 0x2c: out.op(0xc0); break;
      case 0x2d: out.i32(255); out.op(0x71); break;
      case 0x2e: out.op(0xc1); break;
      case 0x2f: out.i32(65535); out.op(0x71); break;
      case 0x30: out.op(0xc2); break;
      case 0x31: out.i64(255, 0); out.op(0x83); break;
      case 0x32: out.op(0xc3); break;
      case 0x33: out.i64(65535, 0); out.op(0x83); break;
      case 0x34: out.op(0xc4); break;
      case 0x35: out.i64(-1, 0); out.op(0x83); break;
    }
    return true;
  }
  #loadLane(base: number, at: number, op: number): boolean {
    const out = this.#out;
    const lane = (sub: number, bytes: number): void => { out.get(this.local(base)); out.op(0xfd); out.unsigned(sub); out.op(at / bytes); };
    switch (op) {
      case 0x28: if (at & 3) return false; lane(27, 4); return true;
      case 0x29: if (at & 7) return false; lane(29, 8); return true;
      case 0x2c: lane(21, 1); return true;
      case 0x2d: lane(22, 1); return true;
      case 0x2e: if (at & 1) return false; lane(24, 2); return true;
      case 0x2f: if (at & 1) return false; lane(25, 2); return true;
      case 0x34: case 0x35: if (at & 3) return false; lane(27, 4); out.op(op === 0x34 ? 0xac : 0xad); return true;
      default: return false;
    }
  }
  /** Emit a store (36..3E) of the value on the stack; false when it cannot be. */
  store(address: number, op: number): boolean {
    const base = this.#base(address), at = address - base, out = this.#out;
    if (op === 0x38 || op === 0x39) return false;
    if (base >= layout.XMM) return this.#storeLane(base, at, op);
    const local = this.local(base);
    this.#written.add(base);
    if (op === 0x36 || op === 0x3a || op === 0x3b) out.op(0xad);
    const bits = op === 0x36 || op === 0x3e ? 32 : op === 0x3a || op === 0x3c ? 8 : op === 0x3b || op === 0x3d ? 16 : 64;
    if (bits < 64) {
      const mask = bits === 32 ? -1 : (1 << bits) - 1;
      out.i64(mask, 0);
      out.op(0x83);
      if (at > 0) { out.i64(8 * at, 0); out.op(0x86); }
      out.get(local);
      // The bits that stay.
      const shift = 8 * at;
      if (shift >= 32) out.i64(-1, ~(mask << (shift - 32)));
      else if (shift === 0) out.i64(~mask, -1);
      else out.i64(~(mask << shift), bits === 32 ? ~(mask >>> (32 - shift)) : -1);
      out.op(0x83);
      out.op(0x84);
    }
    out.set(local);
    return true;
  }
  #storeLane(base: number, at: number, op: number): boolean {
    const out = this.#out, [sub, bytes] = op === 0x37 ? [30, 8] : op === 0x36 ? [28, 4] : [0, 0];
    if (sub === 0 || at % bytes !== 0) return false;
    const local = this.local(base), value = out.take(op === 0x37 ? I64 : I32);
    out.set(value);
    out.get(local);
    out.get(value);
    out.op(0xfd);
    out.unsigned(sub);
    out.op(at / bytes);
    out.set(local);
    out.release(value);
    this.#written.add(base);
    return true;
  }
  /** v128.load (sub 0), load32_zero (92), load64_zero (93). */
  loadVector(address: number, sub: number): boolean {
    const base = address & ~15, at = address - base, out = this.#out;
    if (sub === 0) {
      if (at) return false;
      out.get(this.local(base));
      return true;
    }
    if ((sub !== 92 && sub !== 93) || at % (sub === 92 ? 4 : 8) !== 0) return false;
    this.load(address, sub === 92 ? 0x35 : 0x29);
    const value = out.take(I64);
    out.set(value);
    out.op(0xfd); out.unsigned(12);
    for (let i = 0; i < 16; i++) out.op(0);
    out.get(value);
    out.op(0xfd); out.unsigned(30); out.op(0);
    out.release(value);
    return true;
  }
  storeVector(address: number): boolean {
    if (address & 15) return false;
    this.#out.set(this.local(address));
    this.#written.add(address);
    return true;
  }

  #loadAll(to: Emitter): void {
    for (const [base, local] of this.#held) {
      to.i32(0);
      if (base >= layout.XMM) { to.op(0xfd); to.op(0); to.op(0); to.unsigned(base); }
      else to.memory(0x29, base);
      to.set(local);
    }
  }
  #storeAll(to: Emitter): void {
    for (const base of this.#written) {
      to.i32(0);
      to.get(this.local(base));
      if (base >= layout.XMM) { to.op(0xfd); to.op(11); to.op(0); to.unsigned(base); }
      else to.memory(0x37, base);
    }
  }
  /** Bytes that spill what was written, or load what is held. */
  sequence(reload: boolean): Uint8Array {
    scratch.n = 0;
    const to = scratch;
    if (reload) this.#loadAll(to);
    else this.#storeAll(to);
    return to.bytes.slice(0, to.n);
  }
}
