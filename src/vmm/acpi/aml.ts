/*
 * A small AML assembler (ACPI Specification 6.4, "ACPI Machine Language (AML) Specification"): each function gives
 * the encoding of one term.
 */
export type Aml = readonly number[];

/** A name path: segments of up to four characters separated by dots, optionally from the root or a parent. */
export function path(name: string): Aml {
  const prefix = /^[\\^]*/.exec(name)?.[0] ?? "";
  const segments = name
    .slice(prefix.length)
    .split(".")
    .filter((s) => s !== "")
    .map((s) => ascii(s.padEnd(4, "_")));
  const head =
    segments.length === 0
      ? [0]
      : segments.length === 1
        ? []
        : segments.length === 2
          ? [0x2e]
          : [0x2f, segments.length];
  return [...ascii(prefix), ...head, ...segments.flat()];
}

/** PkgLength: one byte up to 63, else a count in bits 7-6 and nibble, byte, byte. It counts itself. */
function packed(body: Aml): Aml {
  const n = body.length;
  if (n + 1 < 0x40) return [n + 1, ...body];
  if (n + 2 < 0x1000) return [0x40 | ((n + 2) & 15), (n + 2) >> 4, ...body];
  return [0x80 | ((n + 3) & 15), ((n + 3) >> 4) & 0xff, (n + 3) >> 12, ...body];
}

/** An integer in its shortest form. */
export function integer(v: number): Aml {
  if (v === 0 || v === 1) return [v];
  if (v < 0x100) return [0x0a, v];
  if (v < 0x10000) return [0x0b, v & 0xff, v >> 8];
  return [0x0c, ...dword(v)];
}

export function name(n: string, value: Aml): Aml {
  return [0x08, ...path(n), ...value];
}

export function scope(n: string, ...terms: Aml[]): Aml {
  return [0x10, ...packed([...path(n), ...terms.flat()])];
}

export function device(n: string, ...terms: Aml[]): Aml {
  return [0x5b, 0x82, ...packed([...path(n), ...terms.flat()])];
}

/** A method; `serialized` where it creates named objects. */
export function method(n: string, args: number, serialized: boolean, ...terms: Aml[]): Aml {
  return [0x14, ...packed([...path(n), args | (serialized ? 8 : 0), ...terms.flat()])];
}

export function packageOf(...elements: Aml[]): Aml {
  return [0x12, ...packed([elements.length, ...elements.flat()])];
}

export function buffer(bytes: Aml): Aml {
  return [0x11, ...packed([...integer(bytes.length), ...bytes])];
}

/** An operation region in PCI configuration space of the enclosing device, with byte fields of it. */
export function configFields(region: string, offset: number, fields: readonly string[]): Aml {
  const list = fields.flatMap((f) => [...ascii(f.padEnd(4, "_")), 8]);
  return [
    0x5b,
    0x80,
    ...path(region),
    2,
    ...integer(offset),
    ...integer(fields.length),
    0x5b,
    0x81,
    ...packed([...path(region), 1, ...list]),
  ];
}

export const arg0: Aml = [0x68];
export const local0: Aml = [0x60];

export function returns(v: Aml): Aml {
  return [0xa4, ...v];
}

export function store(v: Aml, target: Aml): Aml {
  return [0x70, ...v, ...target];
}

export function and(a: Aml, b: Aml, target: Aml = [0]): Aml {
  return [0x7b, ...a, ...b, ...target];
}

export function or(a: Aml, b: Aml, target: Aml = [0]): Aml {
  return [0x7d, ...a, ...b, ...target];
}

export function shiftLeft(a: Aml, b: Aml, target: Aml): Aml {
  return [0x79, ...a, ...b, ...target];
}

export function findSetRight(a: Aml, target: Aml): Aml {
  return [0x82, ...a, ...target];
}

export function subtract(a: Aml, b: Aml, target: Aml): Aml {
  return [0x74, ...a, ...b, ...target];
}

export function when(condition: Aml, ...terms: Aml[]): Aml {
  return [0xa0, ...packed([...condition, ...terms.flat()])];
}

export function createWordField(source: Aml, offset: number, n: string): Aml {
  return [0x8b, ...source, ...integer(offset), ...path(n)];
}

/** A PNP identifier as an EISA id: three letters of five bits and four hex digits, big endian. */
export function eisaId(id: string): Aml {
  const letter = (i: number) => (id.charCodeAt(i) - 0x40) & 31;
  const v = (letter(0) << 26) | (letter(1) << 21) | (letter(2) << 16) | Number.parseInt(id.slice(3), 16);
  return [0x0c, (v >>> 24) & 0xff, (v >>> 16) & 0xff, (v >>> 8) & 0xff, v & 0xff];
}

/** A resource template: descriptors and the end tag. */
export function resources(...descriptors: Aml[]): Aml {
  return buffer([...descriptors.flat(), 0x79, 0]);
}

export function ioPorts(base: number, size: number): Aml {
  return [0x47, 1, base & 0xff, base >> 8, base & 0xff, base >> 8, 1, size];
}

export function irqs(mask: number, flags?: number): Aml {
  return flags === undefined ? [0x22, mask & 0xff, mask >> 8] : [0x23, mask & 0xff, mask >> 8, flags];
}

export function wordBusNumbers(from: number, to: number): Aml {
  return [0x88, 13, 0, 2, 0x0c, 0, 0, 0, ...word(from), ...word(to), 0, 0, ...word(to - from + 1)];
}

export function wordIo(from: number, to: number): Aml {
  return [0x88, 13, 0, 1, 0x0c, 3, 0, 0, ...word(from), ...word(to), 0, 0, ...word(to - from + 1)];
}

export function dwordMemory(from: number, to: number, cacheable: boolean): Aml {
  return [
    0x87,
    23,
    0,
    0,
    0x0c,
    cacheable ? 3 : 1,
    ...dword(0),
    ...dword(from),
    ...dword(to),
    ...dword(0),
    ...dword(to - from + 1),
  ];
}

export function memory32Fixed(base: number, size: number): Aml {
  return [0x86, 9, 0, 1, ...dword(base), ...dword(size)];
}

export function ascii(s: string): number[] {
  return [...s].map((c) => c.charCodeAt(0));
}

function word(v: number): number[] {
  return [v & 0xff, (v >> 8) & 0xff];
}

export function dword(v: number): number[] {
  return [v & 0xff, (v >>> 8) & 0xff, (v >>> 16) & 0xff, v >>> 24];
}
