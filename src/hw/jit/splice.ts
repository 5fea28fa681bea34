// Copies a stencil's instructions into translated code. It knows WebAssembly and where the machine's state lies, and no x86.
//
// A stencil is a function of a record's address. Here that address is a constant, and so are the record's bytes: constants
// are followed through locals, blocks and calls, and what becomes a constant address is a register, a flag word or a fact
// of the decode mode. What stays is emitted as it stands. Constants are not on the emitted stack until they are needed.
import { layout } from "../layout.ts";
import type { Emitter } from "./emitter.ts";
import { fold, high, identity, low } from "./fold.ts";
import { accessBytes, F64, I32, I64, loadType, NONE, OPERANDS, RESULT, V128, VECTOR_OPERANDS, VECTOR_RESULT } from "./opcodes.ts";
import { Slots } from "./slots.ts";
import { type FunctionBody, Role, type Stencils } from "./stencils.ts";
import { type Frame as TemplateFrame, Leave, Tape, type Template } from "./templates.ts";

const MAX_DEPTH = 8;
const MAX_STACK = 256;
const MAX_LOCALS = 2048;
const EMPTY: readonly number[] = [];
const MAX_INSTRUCTIONS = 1500;
/** Templates of one case, mode and segment: what has more kinds of operands is spliced every time. */
const MAX_TEMPLATES = 32;
const STATIC_DATA = [0x100000, 0x200000] as const;
const FAULTS = new Set(["fault", "faultVector", "faultCode", "faultAddress"]);
/** Variables that are 0 between two steps of an instruction; anything else in them is for the interpreter. */
const CLEAR = new Set(["implicit", "excFlags", "early"]);

/** Table index of who is told of an intercepted instruction (src/hw/cpu/intercept.ts): that goes on in the interpreter. */
const HOOK = "hook";
/** Variables of the core that translated code imports, to read them. */
export const GLOBALS = [{ name: "intercepts", type: I64 }, { name: "yanked", type: I32 }] as const;

/** Why a stencil cannot be spliced. */
export class Refused extends Error {}

/** What surrounds the copied code: the translator of a region. */
export interface Site {
  /** Is the value at a constant address known? It is in `low` and `high` then, zero-extended. */
  known(address: number, bytes: number): boolean;
  low: number;
  high: number;
  /** Leave to the interpreter at this instruction. */
  exit(): void;
  /** The direct branch of this record is taken. */
  follow(): void;
  /** Indirect branch: the target is on the stack. */
  jump(): void;
  /** Local that stands for a variable of the core, or -1: it may not be used so. */
  variable(name: string, type: number, written: boolean): number;
  /** A linear address is on the stack, and leaves it: leave to the interpreter unless `size` bytes there can be accessed at
   *  once. @param key register that the address was computed from, 0 for none: neighbours often lie in one page */
  probe(write: boolean, size: number, key: number): void;
  /** The address of the latest probe of this key is on the stack: its place in linear memory. */
  host(key: number): void;
  /** Every path through the instruction has probed so. */
  probed(write: boolean, key: number): void;
}

interface Flow { readonly known: readonly number[]; readonly committed: boolean }
interface Label {
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
}
/** An access of guest memory: register that its address was computed from, and the expression of that. */
export interface Probe { readonly write: boolean; readonly key: number; readonly origin: number }
interface Frame { readonly label: Label; readonly at: number; readonly folded: boolean }

export class Splicer {
  readonly #stencils: Stencils;
  #out: Emitter;
  #slots: Slots;
  readonly #site: Site;
  // The virtual stack: type, whether the value is a constant, its halves.
  readonly #type = new Uint8Array(MAX_STACK);
  readonly #constant = new Uint8Array(MAX_STACK);
  readonly #low = new Int32Array(MAX_STACK);
  readonly #high = new Int32Array(MAX_STACK);
  /** Of a constant: its expression on the tape, 0 when it is the same for every record. */
  readonly #origin = new Int32Array(MAX_STACK);
  /** Of anything else: address of the register that it was computed from, 0 when none, and the expression of that. */
  readonly #from = new Int32Array(MAX_STACK);
  readonly #fromOrigin = new Int32Array(MAX_STACK);
  #height = 0;
  /** What is known of locals that are assigned more than once: local, low, high, ... */
  #known: readonly number[] = EMPTY;
  #committed = false;
  #reachable = true;
  #walked = 0;
  #outermost: Label | undefined;
  // Locals of the functions that are being copied, one behind the other: a constant (1), its halves; a local of the output.
  readonly #fixed = new Uint8Array(MAX_LOCALS);
  readonly #fixedLow = new Int32Array(MAX_LOCALS);
  readonly #fixedHigh = new Int32Array(MAX_LOCALS);
  readonly #fixedOrigin = new Int32Array(MAX_LOCALS);
  readonly #localOut = new Int32Array(MAX_LOCALS);
  readonly #localFrom = new Int32Array(MAX_LOCALS);
  readonly #localFromOrigin = new Int32Array(MAX_LOCALS);
  /** Probes of the instruction in hand; that one was made is known as a negative local. */
  readonly #probes: Probe[] = [];
  /** Key of a probe whose place has not been asked for, -1 for none. */
  #pending = -1;
  #base = 0;
  #record = 0;
  #tape: Tape | undefined;
  readonly #view: DataView;
  readonly #templates = new Map<number, Template[]>();
  readonly #frame: TemplateFrame;

  constructor(stencils: Stencils, out: Emitter, slots: Slots, site: Site, view: DataView) {
    this.#view = view;
    this.#frame = {
      register: (address, written) => {
        if (written) this.#slots.changed(address);
        return this.#slots.localAt(address);
      },
      variable: (name, type, written) => site.variable(name, type, written),
      leave: (how) => this.#leave(how),
      probe: (write, size, key) => site.probe(write, size, key),
      host: (key) => site.host(key),
      probed: (write, key) => site.probed(write, key),
    };
    this.#stencils = stencils;
    this.#out = out;
    this.#slots = slots;
    this.#site = site;
  }

  /** Another function begins. */
  start(out: Emitter, slots: Slots): void {
    this.#out = out;
    this.#slots = slots;
  }
  /** Copy the stencil of the record at `record`. Returns whether control reaches the next one; emits nothing when it throws.
   *  @param key what is the same for all records that share templates: case, decode mode, segment byte */
  splice(stencil: FunctionBody, record: number, key: number): boolean {
    const templates = this.#templates.get(key) ?? [];
    if (templates.length === 0) this.#templates.set(key, templates);
    for (const template of templates)
      if (template.fits(this.#view, record)) {
        template.emit(this.#out, this.#frame);
        return template.reached;
      }
    const tape = templates.length < MAX_TEMPLATES ? new Tape(this.#out) : undefined;
    this.#tape = this.#out.tape = tape;
    try {
      const reached = this.#whole(stencil, record), made = this.#probes.filter((_, i) => this.#isKnown(-1 - i));
      for (const { write, key } of made) this.#site.probed(write, key);
      if (tape && !tape.spoilt) templates.push(tape.finish(reached, made));
      return reached;
    } finally {
      this.#tape = this.#out.tape = undefined;
    }
  }
  #whole(stencil: FunctionBody, record: number): boolean {
    const out = this.#out, { n, level } = out;
    this.#height = 0;
    this.#base = 0;
    this.#known = EMPTY;
    this.#committed = false;
    this.#reachable = true;
    this.#walked = 0;
    this.#probes.length = 0;
    this.#pending = -1;
    this.#record = record;
    try {
      this.#push(I32, record, 0, Tape.record);
      this.#inline(stencil, 0);
      if (!this.#reachable) return false;
      const top = this.#height - 1;
      if (!this.#constant[top] || this.#low[top] !== record + 16) throw new Refused("computes the next record");
      return true;
    } catch (error) {
      out.reset(n, level);
      throw error;
    }
  }

  #push(type: number, l: number, h: number, origin = 0): void {
    const at = this.#height++;
    this.#type[at] = type;
    this.#constant[at] = 1;
    this.#low[at] = l;
    this.#high[at] = h;
    this.#origin[at] = origin;
    this.#from[at] = 0;
  }
  #pushEmitted(type: number, from = 0, fromOrigin = 0): void {
    const at = this.#height++;
    this.#type[at] = type;
    this.#constant[at] = 0;
    this.#from[at] = from;
    this.#fromOrigin[at] = fromOrigin;
  }
  #drop(n: number): void {
    this.#height -= n;
    if (this.#height < 0) throw new Refused("stack underflow");
  }
  /** Is the constant on top, a condition, true? */
  #decide(): boolean {
    const top = this.#height - 1, l = this.#low[top]!;
    this.#tape?.truth(this.#origin[top]!, l);
    return l !== 0;
  }
  #isConstant(depth: number): boolean { return this.#constant[this.#height - 1 - depth] === 1; }

  /** The top n operands are needed on the emitted stack, in order. */
  #arrange(n: number): void {
    const height = this.#height, out = this.#out;
    let first = height - n;
    while (first < height && !this.#constant[first]) first++;
    if (first === height) return;
    let spilled: number[] | undefined;
    for (let i = height - 1; i > first; i--) {
      if (this.#constant[i]) continue;
      const local = out.take(this.#type[i]!);
      out.set(local);
      spilled ??= [];
      spilled[i - first] = local;
    }
    for (let i = first; i < height; i++) {
      const local = spilled?.[i - first];
      if (local !== undefined) {
        out.get(local);
        out.release(local);
      } else if (this.#constant[i]) {
        out.value(this.#type[i]!, this.#low[i]!, this.#high[i]!, this.#origin[i]!);
        this.#constant[i] = 0;
      }
    }
  }

  // --- labels ---------------------------------------------------------------------------------------------------

  #flow(): Flow { return { known: this.#known, committed: this.#committed }; }
  #resume(flow: Flow): void {
    this.#known = flow.known;
    this.#committed = flow.committed;
    this.#reachable = true;
  }
  /** `op`: 02, 03, 04, or 0 for an if whose condition is known: nothing is opened. */
  #open(op: number, type: number): Label {
    const out = this.#out;
    out.open(op);
    return {
      op, type, level: out.level, height: this.#height, result: type === NONE ? -1 : out.take(type),
      entry: this.#flow(), flows: [], values: 0, low: 0, high: 0, base: 0, baseOrigin: 0,
    };
  }
  /** The value on top goes to the end of the label. */
  #give(label: Label, keep: boolean): void {
    const top = this.#height - 1, constant = this.#constant[top] === 1, out = this.#out;
    const l = this.#low[top]!, h = this.#high[top]!;
    if (label === this.#outermost && !constant) throw new Refused("computes the next record");
    if (!constant) {
      label.values = 2;
      label.base = this.#from[top]!;
      label.baseOrigin = this.#fromOrigin[top]!;
    } else if (label.values === 0) { label.values = 1; label.low = l; label.high = h; }
    else if (label.values === 1 && (label.low !== l || label.high !== h)) label.values = 2;
    if (constant) {
      if (label !== this.#outermost) {
        this.#tape?.equal(this.#origin[top]!, l, h);
        out.constant(label.type, l, h);
        out.set(label.result);
      }
    } else if (keep) out.tee(label.result);
    else out.set(label.result);
  }
  #arrive(label: Label): void {
    label.flows.push(this.#flow());
    if (label.type === NONE) return;
    this.#give(label, false);
    this.#drop(1);
  }
  #close(label: Label): void {
    const out = this.#out;
    if (this.#reachable) this.#arrive(label);
    out.close();
    this.#drop(this.#height - label.height);
    this.#reachable = label.flows.length > 0;
    if (label.result >= 0) out.release(label.result);
    if (!this.#reachable) { out.op(0x00); return; }
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
    this.#resume({ known, committed });
    if (label.type === NONE) return;
    if (label.values === 1) this.#push(label.type, label.low, label.high);
    else { out.get(label.result); this.#pushEmitted(label.type, label.base, label.baseOrigin); }
  }
  #branch(label: Label): void {
    if (label.op !== 0x03) this.#arrive(label);
    this.#out.branch(label.level);
    this.#reachable = false;
  }
  #branchIf(label: Label): void {
    const out = this.#out;
    if (this.#isConstant(0)) {
      const taken = this.#decide();
      this.#drop(1);
      if (taken) this.#branch(label);
      return;
    }
    this.#drop(1);
    if (label.op !== 0x03 && label.type !== NONE) {
      const condition = out.take(I32);
      out.set(condition);
      this.#give(label, true);
      out.get(condition);
      out.release(condition);
    }
    out.branch(label.level, 0x0d);
    if (label.op !== 0x03) label.flows.push(this.#flow());
  }

  // --- functions ------------------------------------------------------------------------------------------------

  #isKnown(local: number): boolean {
    for (let i = 0; i < this.#known.length; i += 3) if (this.#known[i] === local) return true;
    return false;
  }
  #forget(local: number): void {
    const k = this.#known;
    for (let i = 0; i < k.length; i += 3)
      if (k[i] === local) { this.#known = k.length === 3 ? EMPTY : [...k.slice(0, i), ...k.slice(i + 3)]; return; }
  }
  /** Copy a function whose arguments are on the stack. */
  #inline(f: FunctionBody, depth: number): void {
    if (depth > MAX_DEPTH) throw new Refused("calls too deeply");
    const out = this.#out, params = f.params.length, count = f.types.length;
    const locals = this.#base;
    this.#base += count;
    if (this.#base > MAX_LOCALS) throw new Refused("too many locals");
    this.#fixed.fill(0, locals, this.#base);
    this.#localOut.fill(-1, locals, this.#base);
    for (let i = params - 1; i >= 0; i--) this.#assign(f, locals, i);
    for (let i = params; i < count; i++) {
      if (!f.zeroed[i]) continue;
      const type = f.types[i]!;
      if (type === V128 || type === 0x7d || type === F64) throw new Refused("a local that starts as zero");
      this.#push(type, 0, 0);
      this.#assign(f, locals, i);
    }
    const label = this.#open(0x02, f.results[0] ?? NONE);
    // The stencil's own result, the next record, is known or the stencil refused: no code for it.
    if (depth === 0) this.#outermost = label;
    this.#walk(f, locals, label, depth);
    this.#close(label);
    for (let i = 0; i < count; i++) {
      const local = this.#localOut[locals + i]!;
      if (local < 0) continue;
      this.#forget(local);
      out.release(local);
    }
    this.#base = locals;
  }
  /** Local := top of the stack. A constant in a local that is assigned once needs no code. */
  #assign(f: FunctionBody, locals: number, i: number): void {
    const top = this.#height - 1, constant = this.#constant[top], out = this.#out, l = this.#low[top]!, h = this.#high[top]!, origin = this.#origin[top]!;
    if (constant && f.single[i]) {
      this.#fixed[locals + i] = 1;
      this.#fixedLow[locals + i] = l;
      this.#fixedHigh[locals + i] = h;
      this.#fixedOrigin[locals + i] = origin;
      this.#drop(1);
      return;
    }
    let local = this.#localOut[locals + i]!;
    if (local < 0) {
      local = out.take(this.#type[top]!);
      this.#localOut[locals + i] = local;
    }
    this.#fixed[locals + i] = 0;
    this.#localFrom[locals + i] = this.#from[top]!;
    this.#localFromOrigin[locals + i] = this.#fromOrigin[top]!;
    if (!f.single[i]) {
      this.#forget(local);
      if (constant) {
        this.#tape?.equal(origin, l, h);
        this.#known = [...this.#known, local, l, h];
      }
    }
    if (constant) out.constant(this.#type[top]!, l, h);
    out.set(local);
    this.#drop(1);
  }
  #read(f: FunctionBody, locals: number, i: number): void {
    const type = f.types[i]!;
    if (this.#fixed[locals + i]) { this.#push(type, this.#fixedLow[locals + i]!, this.#fixedHigh[locals + i]!, this.#fixedOrigin[locals + i]!); return; }
    const local = this.#localOut[locals + i]!;
    if (local < 0) throw new Refused("reads a local before it is assigned");
    if (!f.single[i]) {
      const k = this.#known;
      for (let n = 0; n < k.length; n += 3)
        if (k[n] === local) { this.#push(type, k[n + 1]!, k[n + 2]!); return; }
    }
    this.#out.get(local);
    this.#pushEmitted(type, this.#localFrom[locals + i]!, this.#localFromOrigin[locals + i]!);
  }

  #walk(f: FunctionBody, locals: number, outermost: Label, depth: number): void {
    const frames: Frame[] = [], { op: ops, a, end, otherwise } = f;
    const target = (index: number): Label => frames[frames.length - 1 - index]?.label ?? outermost;
    for (let i = 0; i < f.n - 1; i++) {
      if (++this.#walked > MAX_INSTRUCTIONS) throw new Refused("too large");
      const op = ops[i]!;
      switch (op) {
        case 0x01: break;
        case 0x02: frames.push({ label: this.#open(0x02, a[i]!), at: i, folded: true }); break;
        case 0x03:
          for (let k = i; k < end[i]!; k++)
            if ((ops[k] === 0x21 || ops[k] === 0x22) && this.#localOut[locals + a[k]!]! >= 0) this.#forget(this.#localOut[locals + a[k]!]!);
          frames.push({ label: this.#open(0x03, a[i]!), at: i, folded: true });
          break;
        case 0x04: {
          const folded = this.#isConstant(0), taken = folded && this.#decide();
          this.#drop(1);
          frames.push({ label: this.#open(folded ? 0x02 : 0x04, a[i]!), at: i, folded });
          if (folded && !taken) i = otherwise[i]! >= 0 ? otherwise[i]! : end[i]! - 1;
          break;
        }
        case 0x05: { // the end of the first branch
          const { label, at, folded } = frames[frames.length - 1]!;
          if (folded) { i = end[at]! - 1; break; }
          this.#arrive(label);
          this.#otherwise(label);
          break;
        }
        case 0x0b: {
          const { label, at, folded } = frames.pop()!;
          if (!folded && otherwise[at]! < 0) label.flows.push(label.entry);
          this.#close(label);
          break;
        }
        case 0x0c: this.#branch(target(a[i]!)); break;
        case 0x0d: this.#branchIf(target(a[i]!)); break;
        case 0x0e: {
          const top = this.#height - 1, labels = f.switches[a[i]!]!, value = this.#low[top]!;
          if (!this.#constant[top]) throw new Refused("switch");
          this.#tape?.equal(this.#origin[top]!, value, 0);
          this.#drop(1);
          this.#branch(target(labels[Math.min(value >>> 0, labels.length - 1)]!));
          break;
        }
        case 0x0f: this.#branch(outermost); break;
        case 0x00: this.#out.op(0x00); this.#reachable = false; break;
        case 0x10: this.#call(a[i]!, depth); break;
        case 0x20: this.#read(f, locals, a[i]!); break;
        case 0x21: this.#assign(f, locals, a[i]!); break;
        case 0x22: {
          const top = this.#height - 1;
          if (this.#constant[top]) {
            const type = this.#type[top]!, l = this.#low[top]!, h = this.#high[top]!, origin = this.#origin[top]!;
            this.#assign(f, locals, a[i]!);
            this.#push(type, l, h, origin);
          } else {
            this.#assign(f, locals, a[i]!);
            this.#read(f, locals, a[i]!);
          }
          break;
        }
        default: this.#plain(f, i);
      }
      while (!this.#reachable) { // go on where control can come from
        const frame = frames[frames.length - 1];
        if (!frame) return;
        const { label, at, folded } = frame;
        if (!folded && otherwise[at]! >= 0 && i < otherwise[at]!) {
          this.#otherwise(label);
          i = otherwise[at]!;
          break;
        }
        frames.pop();
        if (!folded && otherwise[at]! < 0) label.flows.push(label.entry);
        this.#close(label);
        i = end[at]!;
      }
    }
  }
  #otherwise(label: Label): void {
    this.#out.op(0x05);
    this.#drop(this.#height - label.height);
    this.#resume(label.entry);
  }

  #call(index: number, depth: number): void {
    switch (this.#stencils.role(index)) {
      case Role.Exit: this.#exit(); return;
      case Role.Never: this.#out.op(0x00); this.#reachable = false; return;
      case Role.Follow: this.#leave(Leave.Follow); this.#reachable = false; return;
      case Role.Jump: this.#arrange(1); this.#leave(Leave.Jump); this.#reachable = false; return;
      case Role.Body: this.#inline(this.#stencils.body(index), depth + 1); return;
      case Role.Misses: this.#probe(); return;
      case Role.HostOf: this.#host(); return;
      default: throw new Refused("needs the interpreter's loop");
    }
  }
  #exit(): void {
    if (this.#committed) throw new Refused("may fault after it has written");
    this.#leave(Leave.Exit);
    this.#reachable = false;
  }
  /** missesSpan(address, size, write): what misses leaves at once. */
  #probe(): void {
    const top = this.#height - 1, size = this.#low[top - 1]!, write = this.#low[top] !== 0, out = this.#out, tape = this.#tape;
    if (!this.#constant[top] || !this.#constant[top - 1]) throw new Refused("accesses memory in a way that varies");
    if (this.#committed) throw new Refused("may fault after it has written");
    const key = this.#constant[top - 2] ? 0 : this.#from[top - 2]!, origin = key === 0 ? 0 : this.#fromOrigin[top - 2]!;
    if (this.#pending === key) throw new Refused("probes two addresses at once");
    this.#drop(2);
    this.#arrange(1);
    tape?.probe(write, size, origin, key);
    out.tape = undefined;
    this.#site.probe(write, size, key);
    out.tape = tape;
    tape?.after();
    this.#known = [...this.#known, -1 - this.#probes.length, 0, 0];
    this.#probes.push({ write, key, origin });
    this.#pending = key;
    this.#drop(1);
    this.#push(I32, 0, 0);
  }
  /** hostOf(address), of an address that was probed. */
  #host(): void {
    const top = this.#height - 1, key = this.#constant[top] ? 0 : this.#from[top]!, origin = key === 0 ? 0 : this.#fromOrigin[top]!, out = this.#out, tape = this.#tape;
    this.#arrange(1);
    tape?.host(origin, key);
    out.tape = undefined;
    this.#site.host(key);
    out.tape = tape;
    tape?.after();
    this.#pending = -1;
    this.#drop(1);
    this.#pushEmitted(I32);
  }
  /** Control goes on outside of what is copied: the site emits how. */
  #leave(how: number): void {
    const out = this.#out, tape = this.#tape, site = this.#site;
    tape?.leave(how);
    out.tape = undefined;
    if (how === Leave.Exit) site.exit();
    else if (how === Leave.Follow) site.follow();
    else site.jump();
    out.tape = tape;
    tape?.after();
  }

  // --- straight-line instructions -------------------------------------------------------------------------------

  #plain(f: FunctionBody, i: number): void {
    const op = f.op[i]!, out = this.#out;
    if (op === 0x41) { this.#push(I32, f.a[i]!, 0); return; }
    if (op === 0x42) { this.#push(I64, f.a[i]!, f.b[i]!); return; }
    if (op === 0x23 || op === 0x24) { this.#variable(op, f.a[i]!); return; }
    if (op >= 0x28 && op <= 0x35) { this.#load(f, i); return; }
    if (op >= 0x36 && op <= 0x3e) { this.#store(f, i); return; }
    if (op === 0x1a) {
      if (!this.#isConstant(0)) out.op(0x1a);
      this.#drop(1);
      return;
    }
    if (op === 0x1b) { this.#select(); return; }
    if (op === 0xfd) { this.#vector(f, i); return; }
    if (op === 0x43 || op === 0x44) { this.#copy(f, i, 0, op === 0x43 ? 0x7d : F64); return; }
    if (op === 0xfc && f.a[i]! < 8) { this.#copy(f, i, 1, f.a[i]! < 4 ? I32 : I64); return; }
    const n = OPERANDS[op]!, type = RESULT[op]!;
    if (n === 0) throw new Refused(op === 0xfc ? "bulk memory" : `opcode ${op.toString(16)}`);
    const top = this.#height - 1, c0 = this.#constant[top - n + 1], c1 = n === 2 ? this.#constant[top] : c0;
    if (c0 && c1 && fold(op, this.#low[top - n + 1]!, this.#high[top - n + 1]!, this.#low[top]!, this.#high[top]!)) {
      const tape = this.#tape, l = low, h = high, a = this.#origin[top - n + 1]!, b = this.#origin[top]!, other = a === 0 ? top - 1 : top;
      const origin = !tape ? 0 : n === 1 ? tape.unary(op, a) : tape.binary(op, a, b, this.#low[other] ?? 0, this.#high[other] ?? 0);
      this.#drop(n);
      this.#push(type, l, h, origin);
      return;
    }
    if (n === 2 && c0 !== c1) {
      const at = c0 ? top - 1 : top;
      const l = this.#low[at]!, h = this.#high[at]!, tape = this.#tape;
      if (!identity(op, l, h, c0 === 1)) tape?.noIdentity(this.#origin[at]!, op, c0 === 1);
      else {
        const other = at === top ? top - 1 : top, from = this.#from[other]!, fromOrigin = this.#fromOrigin[other]!;
        tape?.equal(this.#origin[at]!, l, h);
        this.#drop(2);
        this.#pushEmitted(type, from, fromOrigin);
        return;
      }
    }
    const first = top - n + 1, of = this.#constant[first] || this.#from[first] === 0 ? top : first;
    const from = this.#constant[of] ? 0 : this.#from[of]!, fromOrigin = this.#fromOrigin[of]!;
    this.#copy(f, i, n, type);
    this.#from[this.#height - 1] = from;
    this.#fromOrigin[this.#height - 1] = fromOrigin;
  }
  #copy(f: FunctionBody, i: number, operands: number, type: number): void {
    this.#arrange(operands);
    this.#out.copy(this.#stencils.code, f.from[i]!, f.from[i + 1]!);
    this.#drop(operands);
    if (type !== NONE) this.#pushEmitted(type);
  }
  #select(): void {
    const out = this.#out, top = this.#height - 1;
    if (!this.#constant[top]) {
      const type = this.#type[top - 1]!;
      this.#arrange(3);
      out.op(0x1b);
      this.#drop(3);
      this.#pushEmitted(type);
      return;
    }
    const first = this.#decide(), a = this.#constant[top - 2]!, b = this.#constant[top - 1]!, at = first ? top - 2 : top - 1;
    const type = this.#type[at]!, l = this.#low[at]!, h = this.#high[at]!, origin = this.#origin[at]!;
    if (first && !b) out.op(0x1a);
    if (!first && !a) {
      if (b) out.op(0x1a);
      else { // drop the lower of two
        const spare = out.take(type);
        out.set(spare);
        out.op(0x1a);
        out.get(spare);
        out.release(spare);
      }
    }
    this.#drop(3);
    if (first ? a : b) this.#push(type, l, h, origin);
    else this.#pushEmitted(type);
  }
  #variable(op: number, index: number): void {
    const { name, type } = this.#stencils.global(index), out = this.#out;
    if (FAULTS.has(name)) {
      if (op === 0x24) this.#exit();
      else this.#push(type, 0, 0);
      return;
    }
    if (name === HOOK) { this.#exit(); return; }
    if (CLEAR.has(name)) {
      if (op === 0x23) { this.#push(type, 0, 0); return; }
      if (!this.#isConstant(0) || name === "implicit") throw new Refused(`sets the variable ${name}`);
      if (this.#decide()) this.#exit();
      else this.#drop(1);
      return;
    }
    if (op === 0x23) {
      const global = GLOBALS.findIndex((g) => g.name === name);
      if (global >= 0) { out.op(0x23); out.unsigned(global); this.#pushEmitted(type); return; }
    }
    const local = this.#site.variable(name, type, op === 0x24);
    if (local < 0) throw new Refused(`uses the variable ${name}`);
    this.#tape?.variable(local, name, type, op === 0x24);
    if (op === 0x24) { this.#arrange(1); out.set(local); this.#drop(1); }
    else { out.get(local); this.#pushEmitted(type); }
  }
  #load(f: FunctionBody, i: number): void {
    const op = f.op[i]!, type = loadType(op), top = this.#height - 1, site = this.#site;
    if (this.#constant[top]) {
      const at = this.#low[top]! + f.b[i]!, tape = this.#tape, origin = this.#origin[top]!;
      if (site.known(at, accessBytes(op))) {
        const field = at >= this.#record && at < this.#record + 16;
        if (tape && field && !tape.isRecord(origin)) tape.spoilt = true;
        if (!field) this.#class(origin, f.b[i]!, at);
        this.#drop(1);
        this.#pushLoaded(op, type, site.low, site.high, tape && field ? tape.field(op, at - this.#record) : 0);
        return;
      }
      if (this.#slots.has(at)) {
        const whole = this.#enter(origin, f.b[i]!, at);
        if (!this.#slots.load(at, op)) throw new Refused("reads part of a register");
        tape?.leaveRegister();
        this.#drop(1);
        this.#pushEmitted(type, at, whole);
        return;
      }
      if (at >= STATIC_DATA[0] && at < STATIC_DATA[1]) throw new Refused("reads a static table");
      tape?.equal(origin, this.#low[top]!, 0);
    } else if (Slots.reaches(f.b[i]!)) throw new Refused("reads a register by number");
    this.#copy(f, i, 1, type);
  }
  /** The address on top was looked at, `offset` bytes further on: other records' must be of its class. */
  #class(origin: number, offset: number, at: number): number {
    const tape = this.#tape;
    if (!tape || origin === 0) return 0;
    const whole = offset === 0 ? origin : tape.binary(0x6a, origin, 0, offset, 0);
    tape.address(whole, at);
    return whole;
  }
  /** The state word at this address is accessed through its local; returns the address as an expression. */
  #enter(origin: number, offset: number, at: number): number {
    const whole = this.#class(origin, offset, at);
    this.#tape?.enterRegister(this.#slots.localAt(at), whole, at);
    return whole;
  }
  /** A constant that was loaded, sign- or zero-extended to the type of its result. */
  #pushLoaded(op: number, type: number, l: number, h: number, origin: number): void {
    let sign = false;
    switch (op) {
      case 0x2c: case 0x30: l = (l << 24) >> 24; sign = true; break;
      case 0x2e: case 0x32: l = (l << 16) >> 16; sign = true; break;
      case 0x34: sign = true; break;
    }
    if (sign) h = l >> 31;
    this.#push(type, l | 0, type === I64 ? h | 0 : 0, origin);
  }
  #store(f: FunctionBody, i: number): void {
    const op = f.op[i]!, top = this.#height - 1;
    this.#committed = true;
    if (this.#constant[top - 1]) {
      const at = this.#low[top - 1]! + f.b[i]!;
      if (at >= STATIC_DATA[0] && at < STATIC_DATA[1]) throw new Refused("writes static data");
      if (this.#slots.has(at)) {
        if (this.#constant[top]) this.#out.value(this.#type[top]!, this.#low[top]!, this.#high[top]!, this.#origin[top]!);
        this.#enter(this.#origin[top - 1]!, f.b[i]!, at);
        if (!this.#slots.store(at, op)) throw new Refused("writes part of a register");
        this.#tape?.leaveRegister();
        this.#drop(2);
        return;
      }
      this.#tape?.equal(this.#origin[top - 1]!, this.#low[top - 1]!, 0);
    } else if (Slots.reaches(f.b[i]!)) throw new Refused("writes a register by number");
    this.#copy(f, i, 2, NONE);
  }
  #vector(f: FunctionBody, i: number): void {
    const sub = f.a[i]!, top = this.#height - 1;
    if (sub === 12) { this.#copy(f, i, 0, V128); return; }
    if (sub <= 10 || sub === 92 || sub === 93) {
      if (this.#constant[top]) {
        const at = this.#low[top]! + f.b[i]!;
        if (this.#slots.has(at)) {
          if (at < layout.XMM) throw new Refused("reads part of a register");
          this.#enter(this.#origin[top]!, f.b[i]!, at);
          if (!this.#slots.loadVector(at, sub)) throw new Refused("reads part of a register");
          this.#tape?.leaveRegister();
          this.#drop(1);
          this.#pushEmitted(V128);
          return;
        }
        if (at >= STATIC_DATA[0] && at < STATIC_DATA[1]) throw new Refused("reads a static table");
        this.#tape?.equal(this.#origin[top]!, this.#low[top]!, 0);
      } else if (Slots.reaches(f.b[i]!)) throw new Refused("reads a register by number");
      this.#copy(f, i, 1, V128);
      return;
    }
    if (sub === 11) {
      this.#committed = true;
      if (this.#constant[top - 1]) {
        const at = this.#low[top - 1]! + f.b[i]!;
        if (this.#slots.has(at)) {
          if (at < layout.XMM) throw new Refused("writes part of a register");
          this.#enter(this.#origin[top - 1]!, f.b[i]!, at);
          if (!this.#slots.storeVector(at)) throw new Refused("writes part of a register");
          this.#tape?.leaveRegister();
          this.#drop(2);
          return;
        }
        this.#tape?.equal(this.#origin[top - 1]!, this.#low[top - 1]!, 0);
      } else if (Slots.reaches(f.b[i]!)) throw new Refused("writes a register by number");
      this.#copy(f, i, 2, NONE);
      return;
    }
    if (sub >= 84 && sub <= 91) throw new Refused("loads or stores a lane");
    this.#copy(f, i, VECTOR_OPERANDS[sub]!, VECTOR_RESULT[sub]!);
  }
}
