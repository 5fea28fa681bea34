// Copied loads and stores: of the record, which are constants; of registers, flags and XMM registers, which are locals; of
// guest memory, which ask the fast TLB first; and of everything else, as they stand.
import { layout } from "../layout.ts";
import { accessBytes, I32, I64, loadType, NONE, V128, VECTOR_OPERANDS, VECTOR_RESULT } from "./opcodes.ts";
import { Locals } from "./locals.ts";
import { Slots } from "./slots.ts";
import type { Emitter } from "./emitter.ts";
import type { Site } from "./site.ts";
import type { FunctionBody, Stencils } from "./stencils.ts";
import { Kin, Refused } from "./values.ts";

const STATIC_DATA = [0x100000, 0x200000] as const;

/** An access of guest memory: register that its address was computed from. */
export interface Probe { readonly write: boolean; readonly key: number }
/** A general register that the instruction writes, and the register that its value was computed from, with expressions. */
export interface Move {
  readonly to: number; readonly toOrigin: number; readonly from: number; readonly fromOrigin: number; readonly kin: number; readonly delta: number; readonly deltaOrigin: number;
}
/** What is known of moves stands among the locals, below the probes. */
const MOVES = -100_000;
const isGeneral = (at: number): boolean => at >= layout.REGS && at < layout.REGS + 128;

export class StateAccess extends Locals {
  protected readonly stencils: Stencils;
  protected readonly site: Site;
  /** Probes of the instruction in hand; that one was made is known as a negative local. */
  protected readonly probes: Probe[] = [];
  protected readonly moves: Move[] = [];
  /** No loop has been opened: what stands later was computed later. */
  protected straight = true;
  /** Was the place of the latest probe not asked for? */
  protected pending = false;
  protected record = 0;

  constructor(stencils: Stencils, out: Emitter, slots: Slots, site: Site) {
    super(out, slots);
    this.stencils = stencils;
    this.site = site;
  }

  protected copy(f: FunctionBody, i: number, operands: number, type: number): void {
    this.arrange(operands);
    this.out.copy(this.stencils.code, f.from[i]!, f.from[i + 1]!);
    this.drop(operands);
    if (type !== NONE) this.pushEmitted(type);
  }
  /** missesSpan(address, size, write): what misses leaves at once. */
  protected probe(): void {
    const top = this.height - 1, size = this.low[top - 1]!, write = this.low[top] !== 0, out = this.out, tape = this.tape;
    if (!this.constant[top] || !this.constant[top - 1]) throw new Refused("accesses memory in a way that varies");
    if (this.committed) throw new Refused("may fault after it has written");
    const at = top - 2, key = this.constant[at] ? 0 : this.from[at]!, origin = key === 0 ? 0 : this.fromOrigin[at]!;
    const kin = key === 0 ? Kin.None : this.kin[at]!, delta = this.delta[at]!, deltaOrigin = this.deltaOrigin[at]!;
    if (this.pending) throw new Refused("probes two addresses at once");
    this.drop(2);
    this.arrange(1);
    tape?.probe(write, size, origin, key, kin, delta, deltaOrigin);
    out.tape = undefined;
    this.site.probe(write, size, key, kin, delta);
    out.tape = tape;
    tape?.after();
    this.known = [...this.known, -1 - this.probes.length, 0, 0];
    this.probes.push({ write, key });
    this.pending = true;
    this.drop(1);
    this.push(I32, 0, 0);
  }
  /** hostOf(address), of the address that was probed last, on every path. */
  protected host(): void {
    const top = this.height - 1, last = this.probes.length - 1, key = this.constant[top] ? 0 : this.from[top]!, out = this.out, tape = this.tape;
    if (this.probes[last]?.key !== key || !this.isKnown(-1 - last)) throw new Refused("asks for an address that was not probed last");
    this.arrange(1);
    tape?.host();
    out.tape = undefined;
    this.site.host();
    out.tape = tape;
    tape?.after();
    this.pending = false;
    this.drop(1);
    this.pushEmitted(I32);
  }

  protected load(f: FunctionBody, i: number): void {
    const op = f.op[i]!, type = loadType(op), top = this.height - 1, site = this.site;
    if (this.constant[top]) {
      const at = this.low[top]! + f.b[i]!, tape = this.tape, origin = this.origin[top]!;
      if (site.known(at, accessBytes(op))) {
        const field = at >= this.record && at < this.record + 16;
        if (tape && field && !tape.isRecord(origin)) tape.spoilt = true;
        if (!field) this.classify(origin, f.b[i]!, at);
        this.drop(1);
        this.pushLoaded(op, type, site.low, site.high, tape && field ? tape.field(op, at - this.record) : 0);
        return;
      }
      if (this.slots.has(at)) {
        const whole = this.enter(origin, f.b[i]!, at);
        if (!this.slots.load(at, op)) throw new Refused("reads part of a register");
        tape?.leaveRegister();
        this.drop(1);
        const kin = !this.straight || at % 8 !== 0 || !isGeneral(at) ? Kin.None : op === 0x29 ? Kin.Whole : op === 0x35 ? Kin.Low : op === 0x28 ? Kin.Modulo : Kin.None;
        this.pushEmitted(type, at, whole, kin);
        return;
      }
      if (at >= STATIC_DATA[0] && at < STATIC_DATA[1]) throw new Refused("reads a static table");
      tape?.equal(origin, this.low[top]!, 0);
    } else if (Slots.reaches(f.b[i]!)) throw new Refused("reads a register by number");
    this.copy(f, i, 1, type);
  }
  /** The address on top was looked at, `offset` bytes further on: other records' must be of its class. */
  protected classify(origin: number, offset: number, at: number): number {
    const tape = this.tape;
    if (!tape || origin === 0) return 0;
    const whole = offset === 0 ? origin : tape.binary(0x6a, origin, 0, offset, 0);
    tape.address(whole, at);
    return whole;
  }
  /** The state word at this address is accessed through its local; returns the address as an expression. */
  protected enter(origin: number, offset: number, at: number): number {
    const whole = this.classify(origin, offset, at);
    this.tape?.enterRegister(this.slots.localAt(at), whole, at);
    return whole;
  }
  /** A constant that was loaded, sign- or zero-extended to the type of its result. */
  protected pushLoaded(op: number, type: number, l: number, h: number, origin: number): void {
    let sign = false;
    switch (op) {
      case 0x2c: case 0x30: l = (l << 24) >> 24; sign = true; break;
      case 0x2e: case 0x32: l = (l << 16) >> 16; sign = true; break;
      case 0x34: sign = true; break;
    }
    if (sign) h = l >> 31;
    this.push(type, l | 0, type === I64 ? h | 0 : 0, origin);
  }
  protected store(f: FunctionBody, i: number): void {
    const op = f.op[i]!, top = this.height - 1;
    this.committed = true;
    if (this.constant[top - 1]) {
      const at = this.low[top - 1]! + f.b[i]!;
      if (at >= STATIC_DATA[0] && at < STATIC_DATA[1]) throw new Refused("writes static data");
      if (this.slots.has(at)) {
        if (this.constant[top]) this.out.value(this.type[top]!, this.low[top]!, this.high[top]!, this.origin[top]!);
        const whole = this.enter(this.origin[top - 1]!, f.b[i]!, at);
        if (!this.slots.store(at, op)) throw new Refused("writes part of a register");
        this.tape?.leaveRegister();
        if (isGeneral(at)) this.#move(op, at, whole);
        this.drop(2);
        return;
      }
      this.tape?.equal(this.origin[top - 1]!, this.low[top - 1]!, 0);
    } else if (Slots.reaches(f.b[i]!)) throw new Refused("writes a register by number");
    this.copy(f, i, 2, NONE);
  }
  /** The value on top was written to a general register. */
  #move(op: number, at: number, toOrigin: number): void {
    const top = this.height - 1, to = at & ~7, whole = op === 0x37, half = op === 0x36 || op === 0x3e, aligned = at === to && !this.constant[top] && this.straight;
    const kin = !aligned || this.kin[top] === Kin.None ? Kin.None : whole ? this.kin[top]! : half ? Kin.Modulo : Kin.None;
    this.known = [...this.known, MOVES - this.moves.length, 0, 0];
    this.moves.push({ to, toOrigin, from: this.from[top]!, fromOrigin: this.fromOrigin[top]!, kin, delta: this.delta[top]!, deltaOrigin: this.deltaOrigin[top]! });
    // What was computed from the register's old value is no longer related to it.
    for (let i = 0; i < this.height; i++) if (this.from[i] === to) this.kin[i] = Kin.None;
    for (let i = 0; i < this.base; i++) if (this.localFrom[i] === to) this.localKin[i] = Kin.None;
  }
  /** Moves that no path leaves out; of the others only that they may have happened. */
  protected settled(): Move[] { return this.moves.map((m, i) => (this.isKnown(MOVES - i) ? m : { ...m, kin: Kin.None })); }
  protected vector(f: FunctionBody, i: number): void {
    const sub = f.a[i]!, top = this.height - 1;
    if (sub === 12) { this.copy(f, i, 0, V128); return; }
    if (sub <= 10 || sub === 92 || sub === 93) {
      if (this.constant[top]) {
        const at = this.low[top]! + f.b[i]!;
        if (this.slots.has(at)) {
          if (at < layout.XMM) throw new Refused("reads part of a register");
          this.enter(this.origin[top]!, f.b[i]!, at);
          if (!this.slots.loadVector(at, sub)) throw new Refused("reads part of a register");
          this.tape?.leaveRegister();
          this.drop(1);
          this.pushEmitted(V128);
          return;
        }
        if (at >= STATIC_DATA[0] && at < STATIC_DATA[1]) throw new Refused("reads a static table");
        this.tape?.equal(this.origin[top]!, this.low[top]!, 0);
      } else if (Slots.reaches(f.b[i]!)) throw new Refused("reads a register by number");
      this.copy(f, i, 1, V128);
      return;
    }
    if (sub === 11) {
      this.committed = true;
      if (this.constant[top - 1]) {
        const at = this.low[top - 1]! + f.b[i]!;
        if (this.slots.has(at)) {
          if (at < layout.XMM) throw new Refused("writes part of a register");
          this.enter(this.origin[top - 1]!, f.b[i]!, at);
          if (!this.slots.storeVector(at)) throw new Refused("writes part of a register");
          this.tape?.leaveRegister();
          this.drop(2);
          return;
        }
        this.tape?.equal(this.origin[top - 1]!, this.low[top - 1]!, 0);
      } else if (Slots.reaches(f.b[i]!)) throw new Refused("writes a register by number");
      this.copy(f, i, 2, NONE);
      return;
    }
    if (sub >= 84 && sub <= 91) throw new Refused("loads or stores a lane");
    this.copy(f, i, VECTOR_OPERANDS[sub]!, VECTOR_RESULT[sub]!);
  }
}
