// Copies a stencil's instructions into translated code. It knows WebAssembly and where the machine's state lies, and no x86.
//
// A stencil is a function of a record's address. Here that address is a constant, and so are the record's bytes: constants
// are followed through locals, blocks and calls, and what becomes a constant address is a register, a flag word or a fact
// of the decode mode. What stays is emitted as it stands. Constants are not on the emitted stack until they are needed.
import { fold, high, identity, low } from "./fold.ts";
import type { Emitter } from "./emitter.ts";
import { EMPTY, type Label } from "./labels.ts";
import { F64, I32, I64, NONE, OPERANDS, RESULT, V128 } from "./opcodes.ts";
import type { Site } from "./site.ts";
import type { Slots } from "./slots.ts";
import { StateAccess } from "./state-access.ts";
import { type FunctionBody, Role, type Stencils } from "./stencils.ts";
import { type Frame as TemplateFrame, Leave, Tape, type Template } from "./templates.ts";
import { Kin, Refused } from "./values.ts";

const MAX_DEPTH = 8;
const MAX_INSTRUCTIONS = 1500;
/** Templates of one case, mode and segment: what has more kinds of operands is spliced every time. */
const MAX_TEMPLATES = 32;
const FAULTS = new Set(["fault", "faultVector", "faultCode", "faultAddress"]);
/** Variables that are 0 between two steps of an instruction; anything else in them is for the interpreter. */
const CLEAR = new Set(["implicit", "excFlags", "early"]);

/** Table index of who is told of an intercepted instruction (src/hw/cpu/intercept.ts): that goes on in the interpreter. */
const HOOK = "hook";
/** Variables of the core that translated code imports, to read them. */
export const GLOBALS = [{ name: "intercepts", type: I64 }, { name: "yanked", type: I32 }] as const;

interface Frame { readonly label: Label; readonly at: number; readonly folded: boolean }

export class Splicer extends StateAccess {
  #walked = 0;
  readonly #view: DataView;
  readonly #templates = new Map<number, Template[]>();
  readonly #frame: TemplateFrame;

  constructor(stencils: Stencils, out: Emitter, slots: Slots, site: Site, view: DataView) {
    super(stencils, out, slots, site);
    this.#view = view;
    this.#frame = {
      register: (address, written) => {
        if (written) this.slots.changed(address);
        return this.slots.localAt(address);
      },
      variable: (name, type, written) => site.variable(name, type, written),
      leave: (how) => this.#leave(how),
      probe: (write, size, key, kin, delta) => site.probe(write, size, key, kin, delta),
      host: () => site.host(),
      probed: (ordinal) => site.probed(ordinal),
      moved: (to, from, kin, delta) => site.moved(to, from, kin, delta),
    };
  }

  /** Another function begins. */
  start(out: Emitter, slots: Slots): void {
    this.out = out;
    this.slots = slots;
  }
  /** Copy the stencil of the record at `record`. Returns whether control reaches the next one; emits nothing when it throws.
   *  @param key what is the same for all records that share templates: case, decode mode, segment byte */
  splice(stencil: FunctionBody, record: number, key: number): boolean {
    const templates = this.#templates.get(key) ?? [];
    if (templates.length === 0) this.#templates.set(key, templates);
    for (const template of templates)
      if (template.fits(this.#view, record)) {
        template.emit(this.out, this.#frame);
        return template.reached;
      }
    const tape = templates.length < MAX_TEMPLATES ? new Tape(this.out) : undefined;
    this.tape = this.out.tape = tape;
    try {
      const reached = this.#whole(stencil, record), made = this.probes.flatMap((_, i) => (this.isKnown(-1 - i) ? [i] : [])), moves = this.settled();
      for (const ordinal of made) this.site.probed(ordinal);
      for (const { to, from, kin, delta } of moves) this.site.moved(to, from, kin, delta);
      if (tape && !tape.spoilt) templates.push(tape.finish(reached, made, moves));
      return reached;
    } finally {
      this.tape = this.out.tape = undefined;
    }
  }
  #whole(stencil: FunctionBody, record: number): boolean {
    const out = this.out, { n, level } = out;
    this.height = 0;
    this.base = 0;
    this.known = EMPTY;
    this.committed = false;
    this.reachable = true;
    this.#walked = 0;
    this.probes.length = this.moves.length = 0;
    this.straight = true;
    this.pending = false;
    this.record = record;
    try {
      this.push(I32, record, 0, Tape.record);
      this.#inline(stencil, 0);
      if (!this.reachable) return false;
      const top = this.height - 1;
      if (!this.constant[top] || this.low[top] !== record + 16) throw new Refused("computes the next record");
      return true;
    } catch (error) {
      out.reset(n, level);
      throw error;
    }
  }
  /** Copy a function whose arguments are on the stack. */
  #inline(f: FunctionBody, depth: number): void {
    if (depth > MAX_DEPTH) throw new Refused("calls too deeply");
    const params = f.params.length, count = f.types.length;
    const locals = this.enterFunction(count);
    for (let i = params - 1; i >= 0; i--) this.assign(f, locals, i);
    for (let i = params; i < count; i++) {
      if (!f.zeroed[i]) continue;
      const type = f.types[i]!;
      if (type === V128 || type === 0x7d || type === F64) throw new Refused("a local that starts as zero");
      this.push(type, 0, 0);
      this.assign(f, locals, i);
    }
    const label = this.open(0x02, f.results[0] ?? NONE);
    // The stencil's own result, the next record, is known or the stencil refused: no code for it.
    if (depth === 0) this.outermost = label;
    this.#walk(f, locals, label, depth);
    this.close(label);
    this.leaveFunction(locals, count);
  }
  #walk(f: FunctionBody, locals: number, outermost: Label, depth: number): void {
    const frames: Frame[] = [], { op: ops, a, end, otherwise } = f;
    const target = (index: number): Label => frames[frames.length - 1 - index]?.label ?? outermost;
    for (let i = 0; i < f.n - 1; i++) {
      if (++this.#walked > MAX_INSTRUCTIONS) throw new Refused("too large");
      const op = ops[i]!;
      switch (op) {
        case 0x01: break;
        case 0x02: frames.push({ label: this.open(0x02, a[i]!), at: i, folded: true }); break;
        case 0x03:
          this.straight = false;
          for (let k = i; k < end[i]!; k++)
            if ((ops[k] === 0x21 || ops[k] === 0x22) && this.localOut[locals + a[k]!]! >= 0) this.forget(this.localOut[locals + a[k]!]!);
          frames.push({ label: this.open(0x03, a[i]!), at: i, folded: true });
          break;
        case 0x04: {
          const folded = this.isConstant(0), taken = folded && this.decide();
          this.drop(1);
          frames.push({ label: this.open(folded ? 0x02 : 0x04, a[i]!), at: i, folded });
          if (folded && !taken) i = otherwise[i]! >= 0 ? otherwise[i]! : end[i]! - 1;
          break;
        }
        case 0x05: { // the end of the first branch
          const { label, at, folded } = frames[frames.length - 1]!;
          if (folded) { i = end[at]! - 1; break; }
          this.arrive(label);
          this.otherwise(label);
          break;
        }
        case 0x0b: {
          const { label, at, folded } = frames.pop()!;
          if (!folded && otherwise[at]! < 0) label.flows.push(label.entry);
          this.close(label);
          break;
        }
        case 0x0c: this.branch(target(a[i]!)); break;
        case 0x0d: this.branchIf(target(a[i]!)); break;
        case 0x0e: {
          const top = this.height - 1, labels = f.switches[a[i]!]!, value = this.low[top]!;
          if (!this.constant[top]) throw new Refused("switch");
          this.tape?.equal(this.origin[top]!, value, 0);
          this.drop(1);
          this.branch(target(labels[Math.min(value >>> 0, labels.length - 1)]!));
          break;
        }
        case 0x0f: this.branch(outermost); break;
        case 0x00: this.out.op(0x00); this.reachable = false; break;
        case 0x10: this.#call(a[i]!, depth); break;
        case 0x20: this.read(f, locals, a[i]!); break;
        case 0x21: this.assign(f, locals, a[i]!); break;
        case 0x22: {
          const top = this.height - 1;
          if (this.constant[top]) {
            const type = this.type[top]!, l = this.low[top]!, h = this.high[top]!, origin = this.origin[top]!;
            this.assign(f, locals, a[i]!);
            this.push(type, l, h, origin);
          } else {
            this.assign(f, locals, a[i]!);
            this.read(f, locals, a[i]!);
          }
          break;
        }
        default: this.#plain(f, i);
      }
      while (!this.reachable) { // go on where control can come from
        const frame = frames[frames.length - 1];
        if (!frame) return;
        const { label, at, folded } = frame;
        if (!folded && otherwise[at]! >= 0 && i < otherwise[at]!) {
          this.otherwise(label);
          i = otherwise[at]!;
          break;
        }
        frames.pop();
        if (!folded && otherwise[at]! < 0) label.flows.push(label.entry);
        this.close(label);
        i = end[at]!;
      }
    }
  }
  #call(index: number, depth: number): void {
    switch (this.stencils.role(index)) {
      case Role.Exit: this.#exit(); return;
      case Role.Never: this.out.op(0x00); this.reachable = false; return;
      case Role.Follow: this.#leave(Leave.Follow); this.reachable = false; return;
      case Role.Jump: this.arrange(1); this.#leave(Leave.Jump); this.reachable = false; return;
      case Role.Body: this.#inline(this.stencils.body(index), depth + 1); return;
      case Role.Misses: this.probe(); return;
      case Role.HostOf: this.host(); return;
      default: throw new Refused("needs the interpreter's loop");
    }
  }
  #exit(): void {
    if (this.committed) throw new Refused("may fault after it has written");
    this.#leave(Leave.Exit);
    this.reachable = false;
  }
  /** Control goes on outside of what is copied: the site emits how. */
  #leave(how: number): void {
    const out = this.out, tape = this.tape, site = this.site;
    tape?.leave(how);
    out.tape = undefined;
    if (how === Leave.Exit) site.exit();
    else if (how === Leave.Follow) site.follow();
    else site.jump();
    out.tape = tape;
    tape?.after();
  }
  #plain(f: FunctionBody, i: number): void {
    const op = f.op[i]!, out = this.out;
    if (op === 0x41) { this.push(I32, f.a[i]!, 0); return; }
    if (op === 0x42) { this.push(I64, f.a[i]!, f.b[i]!); return; }
    if (op === 0x23 || op === 0x24) { this.#variable(op, f.a[i]!); return; }
    if (op >= 0x28 && op <= 0x35) { this.load(f, i); return; }
    if (op >= 0x36 && op <= 0x3e) { this.store(f, i); return; }
    if (op === 0x1a) {
      if (!this.isConstant(0)) out.op(0x1a);
      this.drop(1);
      return;
    }
    if (op === 0x1b) { this.#select(); return; }
    if (op === 0xfd) { this.vector(f, i); return; }
    if (op === 0x43 || op === 0x44) { this.copy(f, i, 0, op === 0x43 ? 0x7d : F64); return; }
    if (op === 0xfc && f.a[i]! < 8) { this.copy(f, i, 1, f.a[i]! < 4 ? I32 : I64); return; }
    const n = OPERANDS[op]!, type = RESULT[op]!;
    if (n === 0) throw new Refused(op === 0xfc ? "bulk memory" : `opcode ${op.toString(16)}`);
    const top = this.height - 1, c0 = this.constant[top - n + 1], c1 = n === 2 ? this.constant[top] : c0;
    if (c0 && c1 && fold(op, this.low[top - n + 1]!, this.high[top - n + 1]!, this.low[top]!, this.high[top]!)) {
      const tape = this.tape, l = low, h = high, a = this.origin[top - n + 1]!, b = this.origin[top]!, other = a === 0 ? top - 1 : top;
      const origin = !tape ? 0 : n === 1 ? tape.unary(op, a) : tape.binary(op, a, b, this.low[other] ?? 0, this.high[other] ?? 0);
      this.drop(n);
      this.push(type, l, h, origin);
      return;
    }
    if (n === 2 && c0 !== c1) {
      const at = c0 ? top - 1 : top;
      const l = this.low[at]!, h = this.high[at]!, tape = this.tape;
      if (!identity(op, l, h, c0 === 1)) tape?.noIdentity(this.origin[at]!, op, c0 === 1);
      else {
        const other = at === top ? top - 1 : top, from = this.from[other]!, fromOrigin = this.fromOrigin[other]!;
        const kin = this.kin[other]!, delta = this.delta[other]!, deltaOrigin = this.deltaOrigin[other]!;
        tape?.equal(this.origin[at]!, l, h);
        this.drop(2);
        this.pushEmitted(type, from, fromOrigin, kin, delta, deltaOrigin);
        return;
      }
    }
    const first = top - n + 1, of = this.constant[first] || this.from[first] === 0 ? top : first;
    const from = this.constant[of] ? 0 : this.from[of]!, fromOrigin = this.fromOrigin[of]!;
    const relation = this.kin[of] === Kin.None || this.constant[of] ? undefined : this.#relation(op, n, of), to = first;
    this.copy(f, i, n, type);
    this.from[to] = from;
    this.fromOrigin[to] = fromOrigin;
    if (!relation) return;
    this.kin[to] = relation.kin;
    this.delta[to] = relation.delta;
    this.deltaOrigin[to] = relation.deltaOrigin;
  }
  /** How the result of an operation is related to the register that operand `of` is related to. */
  #relation(op: number, n: number, of: number): { readonly kin: number; readonly delta: number; readonly deltaOrigin: number } | undefined {
    const top = this.height - 1, kin = this.kin[of]!, delta = this.delta[of]!, deltaOrigin = this.deltaOrigin[of]!;
    if (n === 1) return op === 0xa7 ? { kin: Kin.Modulo, delta, deltaOrigin } : op === 0xad ? { kin: Kin.Low, delta, deltaOrigin } : undefined;
    const at = of === top ? top - 1 : top, l = this.low[at]!, h = this.high[at]!, origin = this.origin[at]!;
    if (!this.constant[at]) return undefined;
    if (op === 0x83) return l === -1 && h === 0 && origin === 0 ? { kin: Kin.Low, delta, deltaOrigin } : undefined; // and 0xffffffff
    const subtract = op === 0x6b || op === 0x7d, sum = delta + (subtract ? -l : l), whole = op >= 0x7c && kin === Kin.Whole;
    if ((op !== 0x6a && op !== 0x7c && !(subtract && at === top)) || sum !== (sum | 0) || (whole && h !== l >> 31)) return undefined;
    const constant = deltaOrigin === 0 ? delta : l, both = deltaOrigin !== 0 || origin !== 0;
    return { kin: whole ? Kin.Whole : Kin.Modulo, delta: sum, deltaOrigin: both ? (this.tape?.binary(subtract ? 0x7d : 0x7c, deltaOrigin, origin, constant, constant >> 31) ?? 0) : 0 };
  }
  #select(): void {
    const out = this.out, top = this.height - 1;
    if (!this.constant[top]) {
      const type = this.type[top - 1]!;
      this.arrange(3);
      out.op(0x1b);
      this.drop(3);
      this.pushEmitted(type);
      return;
    }
    const first = this.decide(), a = this.constant[top - 2]!, b = this.constant[top - 1]!, at = first ? top - 2 : top - 1;
    const type = this.type[at]!, l = this.low[at]!, h = this.high[at]!, origin = this.origin[at]!;
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
    this.drop(3);
    if (first ? a : b) this.push(type, l, h, origin);
    else this.pushEmitted(type);
  }
  #variable(op: number, index: number): void {
    const { name, type } = this.stencils.global(index), out = this.out;
    if (FAULTS.has(name)) {
      if (op === 0x24) this.#exit();
      else this.push(type, 0, 0);
      return;
    }
    if (name === HOOK) { this.#exit(); return; }
    if (CLEAR.has(name)) {
      if (op === 0x23) { this.push(type, 0, 0); return; }
      if (!this.isConstant(0) || name === "implicit") throw new Refused(`sets the variable ${name}`);
      if (this.decide()) this.#exit();
      else this.drop(1);
      return;
    }
    if (op === 0x23) {
      const global = GLOBALS.findIndex((g) => g.name === name);
      if (global >= 0) { out.op(0x23); out.unsigned(global); this.pushEmitted(type); return; }
    }
    const local = this.site.variable(name, type, op === 0x24);
    if (local < 0) throw new Refused(`uses the variable ${name}`);
    this.tape?.variable(local, name, type, op === 0x24);
    if (op === 0x24) { this.arrange(1); out.set(local); this.drop(1); }
    else { out.get(local); this.pushEmitted(type); }
  }
}
