// Copies a stencil's instructions into translated code. It knows WebAssembly and where the machine's state lies, and no x86.
//
// A stencil is a function of a record's address. Here that address is a constant, and so are the record's bytes: constants
// are followed through locals, blocks and calls, and what becomes a constant address is a register, a flag word or a fact
// of the decode mode. What stays is emitted as it stands. Constants are never on the emitted stack until needed.
import { EXITS, FAULTS, NEVER, Refused, type Site, SYSTEM } from "./binding.ts";
import type { Emitter, Entry, Flow, Label } from "./emitter.ts";
import { accessBytes, extend, fold, identity, operandTypes, resultType } from "./fold.ts";
import {
  type FunctionBody,
  I32,
  I64,
  type Library,
  NONE,
  type Token,
  i32Const,
  i64Const,
  u,
} from "./wasm.ts";

const MAX_DEPTH = 8;
const MAX_TOKENS = 3000;
const STATIC_DATA = [0x100000, 0x200000] as const;

interface Frame {
  readonly label: Label;
  readonly token: Token;
  folded: boolean;
}
export class Splicer {
  readonly library: Library;
  readonly out: Emitter;
  readonly site: Site;
  #stack: Entry[] = [];
  #known = new Map<number, number | bigint>();
  #committed = false;
  #reachable = true;
  #walked = 0;

  constructor(library: Library, out: Emitter, site: Site) {
    this.library = library;
    this.out = out;
    this.site = site;
  }

  /** Splice the stencil of one record. Returns whether control can reach the next record; emits nothing when it throws. */
  splice(stencil: FunctionBody): boolean {
    const { code, level } = this.out,
      { length } = code;
    try {
      return this.#splice(stencil);
    } catch (error) {
      code.length = length;
      this.out.code = code;
      this.out.level = level;
      throw error;
    }
  }
  #splice(stencil: FunctionBody): boolean {
    const { record } = this.site;
    this.#inline(stencil, [{ type: I32, value: record }], 0);
    if (!this.#reachable) return false;
    const next = this.#stack.pop();
    if (next?.value === undefined || Number(next.value) !== record + 16)
      throw new Refused("computes the next record");
    return true;
  }

  #constant(entry: Entry): readonly number[] {
    return entry.type === I64 ? i64Const(BigInt(entry.value ?? 0)) : i32Const(Number(entry.value ?? 0));
  }
  #pop(): Entry {
    const top = this.#stack.pop();
    if (!top) throw new Refused("stack underflow");
    return top;
  }
  #push(type: number, value?: number | bigint): void {
    this.#stack.push(value === undefined ? { type } : { type, value });
  }
  /** Take n operands so that all lie on the emitted stack in order. */
  #arrange(n: number): void {
    const top = this.#stack.splice(this.#stack.length - n),
      first = top.findIndex((e) => e.value !== undefined);
    if (first < 0) return;
    const spilled: number[] = [];
    for (let i = top.length - 1; i > first; i--) {
      const e = top[i]!;
      if (e.value !== undefined) continue;
      spilled[i] = this.out.local(e.type);
      this.out.emit(0x21, ...u(spilled[i]!));
    }
    for (let i = first; i < top.length; i++) {
      const e = top[i]!,
        local = spilled[i];
      if (e.value !== undefined) this.out.emit(...this.#constant(e));
      else if (local !== undefined) {
        this.out.emit(0x20, ...u(local));
        this.out.release(local);
      }
    }
  }

  // --- labels ---------------------------------------------------------------------------------------------------

  #flow(): Flow {
    return { known: new Map(this.#known), committed: this.#committed };
  }
  #resume(flow: Flow): void {
    this.#known = new Map(flow.known);
    this.#committed = flow.committed;
    this.#reachable = true;
  }
  #open(op: number, type: number): Label {
    const label: Label = {
      op,
      type,
      level: ++this.out.level,
      height: this.#stack.length,
      outer: this.out.code,
      entry: this.#flow(),
      values: [],
      flows: [],
      virtual: false,
    };
    this.out.code = [];
    return label;
  }
  /** Control reaches the end of the label from here, with its value on the stack. */
  #arrive(label: Label): void {
    if (label.op === 0x03) {
      if (this.#reachable && label.type !== NONE) this.#arrange(1);
      label.flows.push(this.#flow());
      return;
    }
    label.flows.push(this.#flow());
    if (label.type === NONE) return;
    const value = this.#pop();
    label.values.push(value);
    if (value.value !== undefined) this.out.code.push({ label, bytes: this.#constant(value) });
  }
  #close(label: Label): void {
    if (this.#reachable) this.#arrive(label);
    const inner = this.out.code,
      [first] = label.values;
    this.out.code = label.outer;
    this.out.level--;
    label.virtual =
      label.type !== NONE && first?.value !== undefined && label.values.every((v) => v.value === first.value);
    this.out.emit(label.op, label.virtual ? NONE : label.type);
    for (const c of inner) this.out.code.push(c);
    this.out.emit(0x0b);
    this.#stack.length = label.height;
    this.#reachable = label.flows.length > 0;
    if (!this.#reachable) {
      this.out.emit(0x00);
      return;
    }
    const known = new Map(
      [...label.flows[0]!.known].filter(([l, v]) => label.flows.every((f) => f.known.get(l) === v)),
    );
    this.#resume({ known, committed: label.flows.some((f) => f.committed) });
    if (label.type !== NONE) this.#push(label.type, label.virtual ? first?.value : undefined);
  }
  #branch(label: Label): void {
    if (label.op !== 0x03) this.#arrive(label);
    this.out.branch(label.level);
    this.#reachable = false;
  }
  #branchIf(label: Label): void {
    const condition = this.#pop();
    if (condition.value !== undefined) {
      if (Number(condition.value) !== 0) this.#branch(label);
      return;
    }
    const value = label.op === 0x03 || label.type === NONE ? undefined : this.#stack[this.#stack.length - 1];
    if (value?.value !== undefined) {
      // the constant is not below the condition: emit it inside
      this.out.open(0x04);
      this.out.code.push({ label, bytes: this.#constant(value) });
      this.out.branch(label.level);
      this.out.close();
    } else this.out.branch(label.level, 0x0d);
    if (value) label.values.push(value);
    if (label.op !== 0x03) label.flows.push(this.#flow());
  }

  // --- functions ------------------------------------------------------------------------------------------------

  #inline(f: FunctionBody, args: readonly Entry[], depth: number): void {
    if (depth > MAX_DEPTH) throw new Refused(`calls ${f.name} too deeply`);
    const map = [...f.params, ...f.locals].map((type) => {
      if (type !== I32 && type !== I64) throw new Refused(type === 0x7b ? "SIMD" : "floating point");
      return this.out.local(type);
    });
    for (let i = args.length - 1; i >= 0; i--) this.#set(map[i]!, args[i]!);
    const first = firstUses(f);
    for (let i = f.params.length; i < map.length; i++)
      if (!first.has(i)) this.#set(map[i]!, { type: f.locals[i - f.params.length]!, value: 0 });
    const label = this.#open(0x02, f.results[0] ?? NONE);
    this.#walk(f, map, label, depth);
    this.#close(label);
    for (const local of map) {
      this.#known.delete(local);
      this.out.release(local);
    }
  }
  /** Local := entry; a constant is remembered, and stored too, for where paths meet. */
  #set(local: number, entry: Entry): void {
    if (entry.value === undefined) this.#known.delete(local);
    else {
      this.out.emit(...this.#constant(entry));
      this.#known.set(local, entry.value);
    }
    this.out.emit(0x21, ...u(local));
  }

  #walk(f: FunctionBody, map: readonly number[], outermost: Label, depth: number): void {
    const frames: Frame[] = [],
      { tokens } = f;
    const target = (index: number): Label => frames[frames.length - 1 - index]?.label ?? outermost;
    for (let i = 0; i < tokens.length - 1; i++) {
      const t = tokens[i]!;
      if (++this.#walked > MAX_TOKENS) throw new Refused("too large");
      switch (t.op) {
        case 0x01:
          break;
        case 0x02:
          frames.push({ label: this.#open(0x02, t.index), token: t, folded: true });
          break;
        case 0x03: {
          for (let k = i; k < t.end; k++)
            if (tokens[k]!.op === 0x21 || tokens[k]!.op === 0x22) this.#known.delete(map[tokens[k]!.index]!);
          frames.push({ label: this.#open(0x03, t.index), token: t, folded: true });
          break;
        }
        case 0x04: {
          const condition = this.#pop(),
            folded = condition.value !== undefined;
          frames.push({ label: this.#open(folded ? 0x02 : 0x04, t.index), token: t, folded });
          if (folded && Number(condition.value) === 0) i = t.otherwise >= 0 ? t.otherwise : t.end - 1;
          break;
        }
        case 0x05: {
          // the end of the first branch
          const { label, token, folded } = frames[frames.length - 1]!;
          if (folded) {
            i = token.end - 1;
            break;
          }
          this.#arrive(label);
          this.#otherwise(label);
          break;
        }
        case 0x0b: {
          const { label, token, folded } = frames.pop()!;
          if (!folded && token.otherwise < 0) label.flows.push(label.entry);
          this.#close(label);
          break;
        }
        case 0x0c:
          this.#branch(target(t.index));
          break;
        case 0x0d:
          this.#branchIf(target(t.index));
          break;
        case 0x0f:
          this.#branch(outermost);
          break;
        case 0x00:
          this.out.emit(0x00);
          this.#reachable = false;
          break;
        case 0x10:
          this.#call(t.index, depth);
          break;
        default:
          this.#plain(t, map);
      }
      while (!this.#reachable) {
        // go on where control can come from
        const frame = frames[frames.length - 1];
        if (!frame) return;
        const { label, token, folded } = frame,
          inFirst = token.otherwise >= 0 && i < token.otherwise;
        if (!folded && inFirst) {
          this.#otherwise(label);
          i = token.otherwise;
          break;
        }
        frames.pop();
        if (!folded && token.otherwise < 0) label.flows.push(label.entry);
        this.#close(label);
        i = token.end;
      }
    }
  }
  #otherwise(label: Label): void {
    this.out.emit(0x05);
    this.#stack.length = label.height;
    this.#resume(label.entry);
  }

  #call(index: number, depth: number): void {
    const f = this.library.functions[index];
    if (!f) throw new Refused("calls the embedder");
    if (SYSTEM.has(f.name)) throw new Refused(`system: ${f.name}()`);
    if (EXITS.has(f.name)) {
      this.#exit();
      return;
    }
    if (NEVER.has(f.name)) {
      this.out.emit(0x00);
      this.#reachable = false;
      return;
    }
    if (f.name === "link") {
      this.site.follow();
      this.#reachable = false;
      return;
    }
    if (f.name === "jump") {
      this.#arrange(1);
      this.site.jump();
      this.#reachable = false;
      return;
    }
    const args = this.#stack.splice(this.#stack.length - f.params.length);
    this.#inline(f, args, depth + 1);
  }
  #exit(): void {
    if (this.#committed) throw new Refused("may fault after it has written");
    this.site.exit();
    this.#reachable = false;
  }

  // --- straight-line instructions -------------------------------------------------------------------------------

  #plain(t: Token, map: readonly number[]): void {
    const { out } = this,
      { op } = t;
    if (op === 0x41) {
      this.#push(I32, Number(t.value) >>> 0);
      return;
    }
    if (op === 0x42) {
      this.#push(I64, BigInt.asUintN(64, BigInt(t.value)));
      return;
    }
    if (op >= 0x20 && op <= 0x22) {
      this.#localAccess(op, map[t.index]!);
      return;
    }
    if (op === 0x23 || op === 0x24) {
      this.#globalAccess(op, t.index);
      return;
    }
    if (op >= 0x28 && op <= 0x35) {
      this.#load(t);
      return;
    }
    if (op >= 0x36 && op <= 0x3e) {
      this.#store(t);
      return;
    }
    if (op === 0x1a) {
      if (this.#pop().value === undefined) out.emit(0x1a);
      return;
    }
    if (op === 0x1b) {
      this.#select();
      return;
    }
    const operands = operandTypes(op),
      type = resultType(op);
    if (!operands || type === undefined)
      throw new Refused(
        op === 0xfd
          ? "SIMD"
          : op === 0xfc
            ? "bulk memory"
            : op === 0x0e
              ? "switch"
              : `opcode ${op.toString(16)}`,
      );
    const n = operands.length,
      top = this.#stack.slice(-n),
      values = top.map((e) => e.value);
    const folded = values.every((v) => v !== undefined) ? fold(op, values as (number | bigint)[]) : undefined;
    if (folded !== undefined) {
      this.#stack.length -= n;
      this.#push(type, folded);
      return;
    }
    if (n === 2 && identity(op, values)) {
      this.#stack.length -= 2;
      this.#push(type);
      return;
    }
    this.#arrange(n);
    out.emit(...t.raw);
    this.#push(type);
  }
  #select(): void {
    const condition = this.#stack[this.#stack.length - 1];
    if (condition?.value === undefined) {
      const { type } = this.#stack[this.#stack.length - 2]!;
      this.#arrange(3);
      this.out.emit(0x1b);
      this.#push(type);
      return;
    }
    this.#pop();
    const [a, b] = this.#stack.splice(-2) as [Entry, Entry],
      first = Number(condition.value) !== 0;
    if (first && b.value === undefined) this.out.emit(0x1a);
    if (!first && a.value === undefined) {
      if (b.value === undefined) {
        // drop the lower of two
        const spare = this.out.local(b.type);
        this.out.emit(0x21, ...u(spare), 0x1a, 0x20, ...u(spare));
        this.out.release(spare);
      } else this.out.emit(0x1a);
    }
    this.#stack.push(first ? a : b);
  }
  #localAccess(op: number, local: number): void {
    const type = this.out.typeOf(local);
    if (op === 0x20) {
      const value = this.#known.get(local);
      if (value === undefined) this.out.emit(0x20, ...u(local));
      this.#push(type, value);
      return;
    }
    const entry = this.#pop();
    if (op === 0x22 && entry.value === undefined) {
      this.#known.delete(local);
      this.out.emit(0x22, ...u(local));
    } else this.#set(local, entry);
    if (op === 0x22) this.#stack.push(entry);
  }
  #globalAccess(op: number, index: number): void {
    const g = this.library.globals.get(index),
      name = g?.name ?? "",
      type = g?.type ?? I32;
    if (FAULTS.has(name)) {
      if (op === 0x24) {
        this.#exit();
        return;
      }
      this.#push(type, 0);
      return;
    }
    const place = this.site.global(name, type);
    if (!place) throw new Refused(`uses the variable ${name}`);
    if ("value" in place) {
      if (op === 0x24) throw new Refused(`sets the variable ${name}`);
      this.#push(type, place.value);
      return;
    }
    if (op === 0x24) this.#arrange(1);
    this.out.emit(op === 0x24 ? 0x21 : 0x20, ...u(place.local));
    if (op === 0x23) this.#push(type);
  }
  #load(t: Token): void {
    const type = resultType(t.op)!,
      address = this.#stack[this.#stack.length - 1]?.value;
    if (address !== undefined) {
      const at = Number(address) + t.offset;
      const bytes = accessBytes(t.op),
        found = this.site.constant(at, bytes);
      if (found !== undefined) {
        this.#pop();
        this.#push(type, extend(t.op, found));
        return;
      }
      if (this.site.loadSlot(at, t.op)) {
        this.#pop();
        this.#push(type);
        return;
      }
      if (at >= STATIC_DATA[0] && at < STATIC_DATA[1]) throw new Refused("reads a static table");
    }
    this.#arrange(1);
    this.out.emit(...t.raw);
    this.#push(type);
  }
  #store(t: Token): void {
    const [address, value] = this.#stack.slice(-2) as [Entry, Entry];
    this.#committed = true;
    if (address.value !== undefined) {
      const at = Number(address.value) + t.offset;
      if (at >= STATIC_DATA[0] && at < STATIC_DATA[1]) throw new Refused("writes static data");
      if (this.site.isSlot(at)) {
        this.#stack.length -= 2;
        if (value.value !== undefined) this.out.emit(...this.#constant(value));
        this.site.storeSlot(at, t.op);
        return;
      }
    }
    this.#arrange(2);
    this.out.emit(...t.raw);
  }
}

/** Locals that are written before any branch: they need no zero. */
function firstUses(f: FunctionBody): ReadonlySet<number> {
  const set = new Set<number>(),
    read = new Set<number>();
  for (const t of f.tokens) {
    if (t.op === 0x03 || t.op === 0x04 || (t.op >= 0x0c && t.op <= 0x0f)) break;
    if (t.op === 0x20) read.add(t.index);
    else if ((t.op === 0x21 || t.op === 0x22) && !read.has(t.index)) set.add(t.index);
  }
  return set;
}
