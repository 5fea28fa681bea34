// The stencils: every case of the interpreter's switch as a function of its record's address (tools/jit/stencils.mjs packs them).
//
//   u32 size of the head, the head (JSON), then the code section of the module as asc wrote it
//
// Functions are read when first used: most guests need a tenth of them.
import { NONE } from "./opcodes.ts";
import { split } from "./webs.ts";

/** What a call of a function means to translated code. */
export const Role = { Body: 0, Exit: 1, Never: 2, Follow: 3, Jump: 4, System: 5, Import: 6, Misses: 7, HostOf: 8 } as const;

interface Head {
  /** Digest of the core that was built of the same sources. */
  readonly core: string;
  /** By function index: type, role. */
  readonly types: readonly { readonly params: readonly number[]; readonly results: readonly number[] }[];
  readonly functions: readonly (readonly [type: number, role: number])[];
  readonly imported: number;
  /** Function index by case number, -1 for none. */
  readonly cases: readonly number[];
  /** Cases that come back to what stands behind them. */
  readonly calls: readonly number[];
  /** Cases that the interpreter does not inline: their body can be called. */
  readonly firstCold: number;
  /** Repeated string instructions: the last of their block, and it goes on behind it when they are done. */
  readonly bulk: readonly number[];
  readonly globals: readonly { readonly name: string; readonly type: number }[];
}

/** One function: an instruction i is op[i] with a[i], b[i]; its bytes are from[i] to from[i + 1]. */
export class FunctionBody {
  readonly index: number;
  readonly params: readonly number[];
  readonly results: readonly number[];
  /** Types of the parameters and of the locals. */
  readonly types: readonly number[];
  readonly n: number;
  readonly op: Uint8Array;
  /** Index of a local, global, function, label or list of labels; type of a block; vector opcode; low half of a constant. */
  readonly a: Int32Array;
  /** The labels of each switch (br_table), the last for every other value. */
  readonly switches: readonly (readonly number[])[];
  /** Offset of a memory access; high half of a constant. */
  readonly b: Int32Array;
  readonly from: Int32Array;
  /** Where a block, loop or if ends, and where its ELSE is (-1: none). */
  readonly end: Int32Array;
  readonly otherwise: Int32Array;
  /** 1: a local that one assignment reaches every use of (a parameter that is never assigned too). */
  readonly single: Uint8Array;
  /** 1: a local that is read where nothing may have been assigned to it: it starts as zero. */
  readonly zeroed: Uint8Array;

  constructor(index: number, params: readonly number[], results: readonly number[], reader: Reader) {
    this.index = index;
    this.params = params;
    this.results = results;
    const locals: number[] = [];
    for (let groups = reader.u32(); groups > 0; groups--) {
      const count = reader.u32(), type = reader.u8();
      for (let i = 0; i < count; i++) locals.push(type);
    }
    const op: number[] = [], a: number[] = [], b: number[] = [], from: number[] = [], end: number[] = [], otherwise: number[] = [], open: number[] = [], switches: number[][] = [];
    for (;;) {
      const i = op.length;
      from.push(reader.at);
      readInstruction(reader);
      op.push(reader.op);
      if (reader.op === 0x0e) reader.a = switches.push(reader.labels) - 1;
      a.push(reader.a);
      b.push(reader.b);
      end.push(-1);
      otherwise.push(-1);
      if (reader.op >= 0x02 && reader.op <= 0x04) open.push(i);
      else if (reader.op === 0x05) otherwise[open[open.length - 1] ?? 0] = i;
      else if (reader.op === 0x0b) {
        const start = open.pop();
        if (start === undefined) break;
        end[start] = i;
      }
    }
    from.push(reader.at);
    this.n = op.length;
    this.op = Uint8Array.from(op);
    this.a = Int32Array.from(a);
    this.b = Int32Array.from(b);
    this.from = Int32Array.from(from);
    this.end = Int32Array.from(end);
    this.otherwise = Int32Array.from(otherwise);
    this.switches = switches;
    const webs = split(params, locals, this.op, this.a, this.otherwise, switches);
    this.types = webs.types;
    this.single = Uint8Array.from(webs.single);
    this.zeroed = Uint8Array.from(webs.zeroed);
  }
}

class Reader {
  at = 0;
  op = 0;
  a = 0;
  b = 0;
  labels: number[] = [];
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) { this.bytes = bytes; }
  u8(): number { return this.bytes[this.at++]!; }
  u32(): number {
    let value = 0, shift = 0;
    for (;;) {
      const byte = this.bytes[this.at++]!;
      value |= (byte & 127) << shift;
      if (byte < 128) return value >>> 0;
      shift += 7;
    }
  }
  /** A signed constant, to a (low) and b (high). */
  signed(): void {
    let low = 0, high = 0, shift = 0;
    for (;;) {
      const byte = this.bytes[this.at++]!, bits = byte & 127;
      if (shift < 32) low |= bits << shift;
      if (shift >= 32) high |= bits << (shift - 32);
      else if (shift > 25) high |= bits >> (32 - shift);
      shift += 7;
      if (byte >= 128) continue;
      if (byte & 64 && shift < 64) {
        if (shift < 32) { low |= -1 << shift; high = -1; }
        else high |= -1 << (shift - 32);
      }
      this.a = low;
      this.b = high;
      return;
    }
  }
}
function readInstruction(r: Reader): void {
  const op = r.u8();
  r.op = op;
  r.a = 0;
  r.b = 0;
  if (op >= 0x02 && op <= 0x04) r.a = r.u8();
  else if (op === 0x0c || op === 0x0d || op === 0x10 || (op >= 0x20 && op <= 0x24)) r.a = r.u32();
  else if (op === 0x0e) r.labels = Array.from({ length: r.u32() + 1 }, () => r.u32());
  else if (op === 0x11) { r.u32(); r.u32(); }
  else if (op >= 0x28 && op <= 0x3e) { r.a = r.u32(); r.b = r.u32(); }
  else if (op === 0x3f || op === 0x40) r.u8();
  else if (op === 0x41 || op === 0x42) r.signed();
  else if (op === 0x43) r.at += 4;
  else if (op === 0x44) r.at += 8;
  else if (op === 0xfc) {
    r.a = r.u32();
    if (r.a >= 8) { r.u8(); if (r.a === 10) r.u8(); }
  } else if (op === 0xfd) {
    const sub = r.u32();
    r.a = sub;
    if (sub <= 11 || sub === 92 || sub === 93) { r.u32(); r.b = r.u32(); }
    else if (sub >= 84 && sub <= 91) { r.u32(); r.b = r.u32(); r.u8(); }
    else if (sub === 12 || sub === 13) r.at += 16;
    else if (sub >= 21 && sub <= 34) r.u8();
  }
}

export class Stencils {
  readonly head: Head;
  /** The code section; instructions are copied from here. */
  readonly code: Uint8Array;
  readonly #starts: Int32Array;
  readonly #bodies: (FunctionBody | undefined)[] = [];
  readonly #calls: ReadonlySet<number>;
  readonly #bulk: ReadonlySet<number>;
  readonly #branches = new Map<number, boolean>();

  constructor(file: Uint8Array) {
    const size = new DataView(file.buffer, file.byteOffset).getUint32(0, true);
    this.head = JSON.parse(new TextDecoder().decode(file.subarray(4, 4 + size))) as Head;
    this.code = file.subarray(4 + size);
    const reader = new Reader(this.code), count = reader.u32();
    this.#starts = new Int32Array(count);
    for (let i = 0; i < count; i++) {
      const length = reader.u32();
      this.#starts[i] = reader.at;
      reader.at += length;
    }
    this.#calls = new Set(this.head.calls);
    this.#bulk = new Set(this.head.bulk);
  }
  role(index: number): number { return this.head.functions[index]?.[1] ?? Role.Import; }
  params(index: number): readonly number[] { return this.head.types[this.head.functions[index]?.[0] ?? 0]?.params ?? []; }
  global(index: number): { readonly name: string; readonly type: number } { return this.head.globals[index] ?? { name: "", type: NONE }; }

  body(index: number): FunctionBody {
    const found = this.#bodies[index];
    if (found) return found;
    const reader = new Reader(this.code), type = this.head.types[this.head.functions[index]?.[0] ?? 0];
    reader.at = this.#starts[index - this.head.imported]!;
    const body = new FunctionBody(index, type?.params ?? [], type?.results ?? [], reader);
    this.#bodies[index] = body;
    return body;
  }
  /** The stencil of a case, undefined when it has none. */
  stencil(number: number): FunctionBody | undefined {
    const index = this.head.cases[number] ?? -1;
    return index < 0 ? undefined : this.body(index);
  }
  /** Does execution come back behind a record of this case, as after CALL? */
  returns(number: number): boolean { return this.#calls.has(number); }
  bulk(number: number): boolean { return this.#bulk.has(number); }
  /** Can the body of this case be called? */
  callable(number: number): boolean { return number >= this.head.firstCold; }
  /** Does a record of this case hold a direct branch? */
  branches(number: number): boolean {
    const known = this.#branches.get(number);
    if (known !== undefined) return known;
    const body = this.stencil(number);
    let found = false;
    if (body) for (let i = 0; i < body.n && !found; i++) found = body.op[i] === 0x10 && this.role(body.a[i]!) === Role.Follow;
    this.#branches.set(number, found);
    return found;
  }
}
