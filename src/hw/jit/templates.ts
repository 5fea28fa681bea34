// What splicing a stencil gave, kept for the next record of the same case.
//
// While a stencil is spliced, what comes from the record's fields is followed as expressions, and every decision that was
// taken on such a value becomes a guard. Another record for which all guards hold has the same code but for registers and
// constants: those are the holes of the template.
//
//   expression   the record's address | a field | an operation on one or two of them
//   guard        the value is, is not 0, makes this operation no identity, is an address of this class
//   hole         a local (of a register, of the template's own, of a variable), a constant, a place where control leaves,
//                an access of guest memory
import { layout } from "../layout.ts";
import type { Emitter } from "./emitter.ts";
import { fold, high, identity, low } from "./fold.ts";
import { accessBytes } from "./opcodes.ts";
import type { Move } from "./state-access.ts";
import { Kin } from "./values.ts";

const RECORD = 0, FIELD = 1, UNARY = 2, BINARY = 3;
const EQUAL = 0, TRUTH = 1, NO_IDENTITY = 2, CLASS = 3;
const RAW = 0, REGISTER = 1, TEMPORARY = 2, FIXED = 3, VARIABLE = 4, CONSTANT = 5, LEAVE = 6, PROBE = 7, HOST = 8, RELATION = 9;
export const Leave = { Exit: 0, Follow: 1, Jump: 2 } as const;
/** Locals of the parameters of a region. */
const PARAMETERS = 3;
const GET = 0x20, SET = 0x21;

/** What addresses of the state have in common for the splicer: general registers and XMM registers by the byte of the
 *  register, everything else by itself. */
export function classOf(at: number): number {
  if (at >= layout.REGS && at < layout.REGS + 128) return at & 7;
  if (at >= layout.XMM && at < layout.XMM + 256) return 16 + (at & 15);
  return at;
}

/** What a template asks of the function that it becomes part of. */
export interface Frame {
  /** The local of the state word that holds an address; `written` when it changes. */
  register(address: number, written: boolean): number;
  variable(name: string, type: number, written: boolean): number;
  leave(how: number): void;
  probe(write: boolean, size: number, key: number, kin: number, delta: number): void;
  host(): void;
  probed(ordinal: number): void;
  moved(to: number, from: number, kin: number, delta: number): void;
}

interface Expression { readonly kind: number; readonly op: number; readonly a: number; readonly b: number; readonly l: number; readonly h: number }
interface Guard { readonly kind: number; readonly expression: number; readonly l: number; readonly h: number }
interface Step { readonly kind: number; readonly op: number; readonly a: number; readonly b: number; readonly name: string }

const lows = new Int32Array(1024), highs = new Int32Array(1024);

/** A field of the record, extended as the load does it. */
function loadField(view: DataView, at: number, op: number): void {
  let l = 0, h = 0;
  switch (op) {
    case 0x28: l = view.getInt32(at, true); break;
    case 0x29: l = view.getInt32(at, true); h = view.getInt32(at + 4, true); break;
    case 0x2c: l = view.getInt8(at); break;
    case 0x2d: case 0x31: l = view.getUint8(at); break;
    case 0x2e: l = view.getInt16(at, true); break;
    case 0x2f: case 0x33: l = view.getUint16(at, true); break;
    case 0x30: l = view.getInt8(at); h = l >> 31; break;
    case 0x32: l = view.getInt16(at, true); h = l >> 31; break;
    case 0x34: l = view.getInt32(at, true); h = l >> 31; break;
    case 0x35: l = view.getInt32(at, true); break;
  }
  fieldLow = l;
  fieldHigh = h;
}
let fieldLow = 0, fieldHigh = 0;

/** The making of a template: told of everything that the splicer does with what came from the record. An expression has
 *  its number plus one; 0 stands for a value that is the same for every record of the case. */
export class Tape {
  readonly #out: Emitter;
  readonly expressions: Expression[] = [{ kind: RECORD, op: 0, a: 0, b: 0, l: 0, h: 0 }];
  readonly guards: Guard[] = [];
  readonly steps: Step[] = [];
  readonly #level: number;
  readonly #bytes: number[] = [];
  readonly #temporaries = new Map<number, number>();
  readonly #types: number[] = [];
  readonly #variables = new Map<number, { readonly name: string; readonly type: number; readonly written: boolean }>();
  /** The register that is being accessed: its local, and the expression of its address (or minus the address). */
  #register = -1;
  #address = 0;
  /** From here on bytes have not been taken over. */
  #from: number;
  /** Something was done that a template cannot repeat. */
  spoilt = false;

  constructor(out: Emitter) {
    this.#out = out;
    this.#level = out.level;
    this.#from = out.n;
  }
  static readonly record = 1;

  #express(kind: number, op: number, a: number, b: number, l: number, h: number): number {
    if (this.expressions.length >= lows.length) { this.spoilt = true; return 0; }
    return this.expressions.push({ kind, op, a, b, l, h });
  }
  /** The load `op` at an address that is `offset` behind the record's. */
  field(op: number, offset: number): number {
    // The segment byte is part of the key.
    if (offset === 7 && accessBytes(op) === 1) return 0;
    return this.#express(FIELD, op, 0, 0, offset, 0);
  }
  unary(op: number, a: number): number { return a === 0 ? 0 : this.#express(UNARY, op, a - 1, 0, 0, 0); }
  /** Operands are expressions; where one is 0 it is the constant l, h. */
  binary(op: number, a: number, b: number, l: number, h: number): number {
    return a === 0 && b === 0 ? 0 : this.#express(BINARY, op, a - 1, b - 1, l, h);
  }
  /** Is it the record's address, perhaps with a constant added? */
  isRecord(expression: number): boolean {
    const e = this.expressions[expression - 1];
    return e !== undefined && (e.kind === RECORD || (e.kind === BINARY && e.op === 0x6a && (e.a === 0) !== (e.b === 0) && (e.a < 0 || e.b < 0)));
  }
  #guard(kind: number, expression: number, l: number, h: number): void {
    if (expression === 0) return;
    if (!this.guards.some((g) => g.kind === kind && g.expression === expression - 1 && g.l === l && g.h === h)) this.guards.push({ kind, expression: expression - 1, l, h });
  }
  /** Decisions: the value was used as it is; as a condition; was not what makes `op` an identity; was an address. */
  equal(expression: number, l: number, h: number): void { this.#guard(EQUAL, expression, l, h); }
  truth(expression: number, l: number): void { this.#guard(TRUTH, expression, l !== 0 ? 1 : 0, 0); }
  noIdentity(expression: number, op: number, first: boolean): void { this.#guard(NO_IDENTITY, expression, op, first ? 1 : 0); }
  address(expression: number, at: number): void { this.#guard(CLASS, expression, classOf(at), 0); }

  #flush(): void {
    const { n, bytes } = this.#out;
    if (n === this.#from) return;
    const from = this.#bytes.length;
    for (let i = this.#from; i < n; i++) this.#bytes.push(bytes[i]!);
    this.#from = n;
    this.steps.push({ kind: RAW, op: 0, a: from, b: this.#bytes.length, name: "" });
  }
  #step(kind: number, op: number, a: number, b: number, name = ""): void {
    this.#flush();
    this.steps.push({ kind, op, a, b, name });
  }
  /** Before the emitter writes 20, 21 or 22; after() follows. */
  local(op: number, local: number): void {
    if (local === this.#register) { this.#step(REGISTER, op, this.#address, 0); return; }
    if (local < PARAMETERS) { this.#step(FIXED, op, local, 0); return; }
    const variable = this.#variables.get(local);
    if (variable) { this.#step(VARIABLE, op, variable.type, variable.written ? 1 : 0, variable.name); return; }
    let number = this.#temporaries.get(local);
    if (number === undefined) {
      number = this.#types.push(this.#out.typeOf(local)) - 1;
      this.#temporaries.set(local, number);
    }
    this.#step(TEMPORARY, op, number, 0);
  }
  constant(type: number, expression: number): void { this.#step(CONSTANT, type, expression - 1, 0); }
  leave(how: number): void { this.#step(LEAVE, how, this.#out.level - this.#level, 0); }
  /** The key is an expression, or minus the address of a register, or 0. */
  probe(write: boolean, size: number, expression: number, key: number, kin: number, delta: number, deltaOrigin: number): void {
    if (kin !== Kin.None) this.#step(RELATION, kin, deltaOrigin - 1, delta);
    this.#step(PROBE, keyOf(expression, key), this.#out.level - this.#level, 2 * size + (write ? 1 : 0));
  }
  host(): void { this.#step(HOST, 0, 0, 0); }
  /** What was just emitted stands in a step. */
  after(): void { this.#from = this.#out.n; }
  variable(local: number, name: string, type: number, written: boolean): void {
    if (local >= PARAMETERS) this.#variables.set(local, { name, type, written });
  }
  enterRegister(local: number, expression: number, at: number): void {
    this.#register = local;
    this.#address = expression === 0 ? -at : expression - 1;
  }
  leaveRegister(): void { this.#register = -1; }

  finish(reached: boolean, probed: readonly number[], moves: readonly Move[]): Template {
    this.#flush();
    const moved = moves.flatMap((m) => [keyOf(m.toOrigin, m.to), keyOf(m.fromOrigin, m.from), m.kin, m.deltaOrigin - 1, m.delta]);
    return new Template(this.expressions, this.guards, this.steps, Uint8Array.from(this.#bytes), this.#types, reached, probed, moved);
  }
}
/** Expression 0 is the record's address, which is no register: it stands for no key. */
const keyOf = (expression: number, key: number): number => (expression === 0 ? -key : expression - 1);
const keyAt = (step: number): number => (step < 0 ? -step : step === 0 ? 0 : lows[step]!);
/** Difference of a relation: an expression, or (-1) the same for every record. */
const deltaAt = (expression: number, delta: number): number => (expression < 0 ? delta : lows[expression]!);
/** A difference from all 64 bits of a register has to fit. */
const kinAt = (kin: number, expression: number): number => (kin === Kin.Whole && expression >= 0 && highs[expression] !== lows[expression]! >> 31 ? Kin.None : kin);

/** What is gone through for every instruction lies in arrays: expressions six words each, guards and steps four. */
export class Template {
  readonly #expressions: Int32Array;
  readonly #guards: Int32Array;
  readonly #steps: Int32Array;
  readonly #names: readonly string[];
  readonly #bytes: Uint8Array;
  readonly #types: readonly number[];
  readonly #temporaries: Int32Array;
  /** Can the next record be reached? */
  readonly reached: boolean;
  /** Which probes every path makes; moves by five: an address in the register that is written, from, kin, expression of the difference, difference. */
  readonly #probed: readonly number[];
  readonly #moved: readonly number[];
  constructor(expressions: readonly Expression[], guards: readonly Guard[], steps: readonly Step[], bytes: Uint8Array, types: readonly number[], reached: boolean, probed: readonly number[], moved: readonly number[]) {
    this.#probed = probed;
    this.#moved = moved;
    this.#expressions = Int32Array.from(expressions.flatMap(({ kind, op, a, b, l, h }) => [kind, op, a, b, l, h]));
    this.#guards = Int32Array.from(guards.flatMap(({ kind, expression, l, h }) => [kind, expression, l, h]));
    this.#steps = Int32Array.from(steps.flatMap(({ kind, op, a, b }) => [kind, op, a, b]));
    this.#names = steps.map((s) => s.name);
    this.#bytes = bytes;
    this.#types = types;
    this.#temporaries = new Int32Array(types.length);
    this.reached = reached;
  }
  /** Do all decisions come out the same for this record? Then emit() may follow. */
  fits(view: DataView, record: number): boolean {
    const list = this.#expressions, guards = this.#guards;
    for (let at = 0, i = 0; at < list.length; at += 6, i++) {
      const kind = list[at]!, op = list[at + 1]!, a = list[at + 2]!, b = list[at + 3]!, l = list[at + 4]!, h = list[at + 5]!;
      if (kind === FIELD) { loadField(view, record + l, op); lows[i] = fieldLow; highs[i] = fieldHigh; continue; }
      if (kind === RECORD) { lows[i] = record; highs[i] = 0; continue; }
      if (kind === UNARY) fold(op, lows[a]!, highs[a]!, 0, 0);
      else if (op === 0x6a) { lows[i] = ((a < 0 ? l : lows[a]!) + (b < 0 ? l : lows[b]!)) | 0; highs[i] = 0; continue; }
      else fold(op, a < 0 ? l : lows[a]!, a < 0 ? h : highs[a]!, b < 0 ? l : lows[b]!, b < 0 ? h : highs[b]!);
      lows[i] = low;
      highs[i] = high;
    }
    for (let at = 0; at < guards.length; at += 4) {
      const kind = guards[at]!, expression = guards[at + 1]!, l = guards[at + 2]!, h = guards[at + 3]!, vl = lows[expression]!, vh = highs[expression]!;
      if (kind === EQUAL ? vl !== l || vh !== h : kind === TRUTH ? (vl !== 0 ? 1 : 0) !== l : kind === CLASS ? classOf(vl) !== l : identity(l, vl, vh, h === 1)) return false;
    }
    return true;
  }
  /** The code for the record that fits() was asked about. */
  emit(out: Emitter, frame: Frame): void {
    const temporaries = this.#temporaries, types = this.#types, steps = this.#steps, base = out.level;
    for (let i = 0; i < types.length; i++) temporaries[i] = out.take(types[i]!);
    let kin: number = Kin.None, delta = 0;
    for (let at = 0; at < steps.length; at += 4) {
      const op = steps[at + 1]!, a = steps[at + 2]!, b = steps[at + 3]!;
      let local = 0;
      switch (steps[at]!) {
        case RAW: out.copy(this.#bytes, a, b); continue;
        case CONSTANT: out.constant(op, lows[a]!, highs[a]!); continue;
        case LEAVE: {
          const { level } = out;
          out.level = base + a;
          frame.leave(op);
          out.level = level;
          continue;
        }
        case PROBE: {
          const { level } = out;
          out.level = base + a;
          frame.probe((b & 1) === 1, b >> 1, keyAt(op), kin, delta);
          out.level = level;
          kin = Kin.None;
          continue;
        }
        case RELATION: kin = kinAt(op, a); delta = deltaAt(a, b); continue;
        case HOST: frame.host(); continue;
        case REGISTER: local = frame.register(a < 0 ? -a : lows[a]!, op !== GET); break;
        case TEMPORARY: local = temporaries[a]!; break;
        case FIXED: local = a; break;
        case VARIABLE: local = frame.variable(this.#names[at >> 2]!, a, b === 1); break;
      }
      if (op === GET) out.get(local);
      else if (op === SET) out.set(local);
      else out.tee(local);
    }
    for (let i = 0; i < types.length; i++) out.release(temporaries[i]!);
    for (const ordinal of this.#probed) frame.probed(ordinal);
    const m = this.#moved;
    for (let i = 0; i < m.length; i += 5) frame.moved(keyAt(m[i]!) & ~7, keyAt(m[i + 1]!), kinAt(m[i + 2]!, m[i + 3]!), deltaAt(m[i + 3]!, m[i + 4]!));
  }
}
