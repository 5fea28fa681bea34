// The part of the WebAssembly binary format that stencils and spliced modules use ("Binary Format" of the core specification).

export const I32 = 0x7f;
export const I64 = 0x7e;
export const NONE = 0x40;

/** One instruction. `end` and `otherwise` are the indices of the matching END and ELSE. */
export interface Token {
  readonly op: number;
  /** Local, global, function or label index; the alignment of a memory access; the type of a block. */
  readonly index: number;
  /** Offset of a memory access. */
  readonly offset: number;
  readonly value: number | bigint;
  readonly raw: Uint8Array;
  end: number;
  otherwise: number;
}
export interface FunctionBody {
  readonly name: string;
  readonly params: readonly number[];
  readonly results: readonly number[];
  readonly locals: readonly number[];
  readonly tokens: readonly Token[];
}
export interface Library {
  /** By function index; undefined for an import. */
  readonly functions: readonly (FunctionBody | undefined)[];
  readonly exports: ReadonlyMap<string, number>;
  readonly globals: ReadonlyMap<number, { name: string; type: number }>;
}

/** "src/hw/cpu/alu/shl<u32>" is known as "shl". */
const shortName = (name: string): string => (name.split("<")[0] ?? "").replace(/^.*\//, "");

class Reader {
  at = 0;
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
  u8(): number {
    return this.bytes[this.at++] ?? 0;
  }
  u32(): number {
    let value = 0,
      scale = 1;
    for (;;) {
      const byte = this.u8();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
  }
  signed(bits: 32 | 64): bigint {
    let value = 0n,
      shift = 0n;
    for (;;) {
      const byte = this.u8();
      value |= BigInt(byte & 127) << shift;
      shift += 7n;
      if (byte < 128) return BigInt.asIntN(bits, byte & 64 ? value - (1n << shift) : value);
    }
  }
  name(): string {
    const size = this.u32(),
      from = this.at;
    this.at += size;
    return new TextDecoder().decode(this.bytes.subarray(from, this.at));
  }
  list<T>(read: () => T): T[] {
    return Array.from({ length: this.u32() }, read);
  }
}

function readToken(r: Reader): Token {
  const from = r.at,
    op = r.u8();
  let index = 0,
    offset = 0,
    value: number | bigint = 0;
  if (op >= 0x02 && op <= 0x04) index = r.u8();
  else if (op === 0x0c || op === 0x0d || op === 0x10 || (op >= 0x20 && op <= 0x24)) index = r.u32();
  else if (op === 0x0e) {
    r.list(() => r.u32());
    r.u32();
  } else if (op === 0x11) {
    r.u32();
    r.u32();
  } else if (op >= 0x28 && op <= 0x3e) {
    index = r.u32();
    offset = r.u32();
  } else if (op === 0x3f || op === 0x40) r.u8();
  else if (op === 0x41) value = Number(r.signed(32));
  else if (op === 0x42) value = r.signed(64);
  else if (op === 0x43) r.at += 4;
  else if (op === 0x44) r.at += 8;
  else if (op === 0xfc) {
    const sub = r.u32();
    if (sub >= 8) {
      r.u8();
      if (sub === 10) r.u8();
    }
  } else if (op === 0xfd) {
    const sub = r.u32();
    if (sub <= 11 || sub === 92 || sub === 93) {
      r.u32();
      r.u32();
    } else if (sub >= 84 && sub <= 91) {
      r.u32();
      r.u32();
      r.u8();
    } else if (sub === 12 || sub === 13) r.at += 16;
    else if (sub >= 21 && sub <= 34) r.u8();
  }
  return { op, index, offset, value, raw: r.bytes.subarray(from, r.at), end: -1, otherwise: -1 };
}
function readTokens(r: Reader): Token[] {
  const tokens: Token[] = [],
    open: Token[] = [];
  for (;;) {
    const token = readToken(r);
    tokens.push(token);
    if (token.op >= 0x02 && token.op <= 0x04) open.push(token);
    else if (token.op === 0x05) {
      const top = open[open.length - 1];
      if (top) top.otherwise = tokens.length - 1;
    } else if (token.op === 0x0b) {
      const top = open.pop();
      if (!top) return tokens;
      top.end = tokens.length - 1;
    }
  }
}

/** Reads a module compiled with its name section. */
export function readLibrary(bytes: Uint8Array): Library {
  const r = new Reader(bytes);
  const types: { params: number[]; results: number[] }[] = [],
    typeOf: number[] = [];
  const exports = new Map<string, number>(),
    names = new Map<number, string>(),
    globalNames = new Map<number, string>();
  const bodies: { locals: number[]; tokens: Token[] }[] = [],
    globalTypes: number[] = [];
  let imported = 0;
  for (r.at = 8; r.at < bytes.length; ) {
    const id = r.u8(),
      end = r.u32() + r.at;
    if (id === 1)
      types.push(
        ...r.list(() => {
          r.u8();
          return { params: r.list(() => r.u8()), results: r.list(() => r.u8()) };
        }),
      );
    else if (id === 2)
      r.list(() => {
        r.name();
        r.name();
        const kind = r.u8();
        if (kind === 0) {
          typeOf.push(r.u32());
          imported++;
        } else if (kind === 2) {
          const limits = r.u8();
          r.u32();
          if (limits & 1) r.u32();
        } else throw new Error(`wasm: import of kind ${kind}; compile without it`);
      });
    else if (id === 3) typeOf.push(...r.list(() => r.u32()));
    else if (id === 6)
      r.list(() => {
        globalTypes.push(r.u8());
        r.u8();
        while (readToken(r).op !== 0x0b);
      });
    else if (id === 7)
      r.list(() => {
        const name = r.name(),
          kind = r.u8(),
          index = r.u32();
        if (kind === 0) exports.set(name, index);
      });
    else if (id === 10)
      r.list(() => {
        const stop = r.u32() + r.at,
          locals: number[] = [];
        r.list(() => {
          const n = r.u32(),
            type = r.u8();
          for (let i = 0; i < n; i++) locals.push(type);
        });
        bodies.push({ locals, tokens: readTokens(r) });
        r.at = stop;
      });
    else if (id === 0 && r.name() === "name") {
      while (r.at < end) {
        const kind = r.u8(),
          stop = r.u32() + r.at,
          into = kind === 1 ? names : kind === 7 ? globalNames : undefined;
        if (into)
          r.list(() => {
            const index = r.u32();
            into.set(index, shortName(r.name()));
          });
        r.at = stop;
      }
    }
    r.at = end;
  }
  const functions = typeOf.map((type, i): FunctionBody | undefined => {
    const body = bodies[i - imported],
      signature = types[type];
    return i < imported || !body || !signature
      ? undefined
      : { name: names.get(i) ?? `#${i}`, ...signature, ...body };
  });
  const globals = new Map(globalTypes.map((type, i) => [i, { name: globalNames.get(i) ?? `#${i}`, type }]));
  return { functions, exports, globals };
}

/** LEB128, unsigned and signed. */
export function u(value: number): number[] {
  const out: number[] = [];
  for (; value > 127; value = Math.floor(value / 128)) out.push((value % 128) | 128);
  return [...out, value];
}
export function s(value: number | bigint): number[] {
  const out: number[] = [];
  for (let v = BigInt(value); ; ) {
    const byte = Number(v & 127n);
    v >>= 7n;
    if ((v === 0n && !(byte & 64)) || (v === -1n && byte & 64)) return [...out, byte];
    out.push(byte | 128);
  }
}
export const i32Const = (v: number | bigint): number[] => [0x41, ...s(BigInt.asIntN(32, BigInt(v)))];
export const i64Const = (v: bigint): number[] => [0x42, ...s(BigInt.asIntN(64, v))];

/** A module with one exported function `run` over the imported memory `env.memory`. */
export function oneFunctionModule(
  params: readonly number[],
  results: readonly number[],
  locals: readonly number[],
  code: readonly number[],
): Uint8Array<ArrayBuffer> {
  const name = (text: string): number[] => [...u(text.length), ...new TextEncoder().encode(text)];
  const section = (id: number, body: readonly number[]): number[] => [id, ...u(body.length), ...body];
  const runs: number[][] = [];
  for (const type of locals) {
    const last = runs[runs.length - 1];
    if (last && last[1] === type) last[0] = (last[0] ?? 0) + 1;
    else runs.push([1, type]);
  }
  const body = [...u(runs.length), ...runs.flatMap(([n = 0, type = 0]) => [...u(n), type]), ...code, 0x0b];
  return Uint8Array.from([
    0,
    0x61,
    0x73,
    0x6d,
    1,
    0,
    0,
    0,
    ...section(1, [1, 0x60, ...u(params.length), ...params, ...u(results.length), ...results]),
    ...section(2, [1, ...name("env"), ...name("memory"), 2, 0, 1]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...name("run"), 0, 0]),
    ...section(10, [1, ...u(body.length), ...body]),
  ]);
}
