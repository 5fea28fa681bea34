// Makes the fixtures: builds the cases, has oracle run them natively, and writes what differs from the start state.
// usage: generate <oracle binary> <scratch folder> <output folder> [family]

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { gzipSync } from "node:zlib";
import type { Form, Mode } from "../../src/hw/cpu/fixtures/load.ts";
import {
  advance,
  background,
  dataPage,
  flavours,
  freshMemory,
  fxCompared,
  pageSize,
  watchedOffset,
  watchedPages,
} from "../../src/hw/cpu/fixtures/load.ts";
import { Builder } from "./build.ts";
import { faultRows, integerRows } from "./forms-integer.ts";
import { mmxRows, sseRows } from "./forms-vector.ts";
import { x87Rows } from "./forms-x87.ts";
import { parseRow } from "./rows.ts";
import type { Template } from "./rows.ts";
import { undefinedFlags, undefinedResult } from "./undefined.ts";
import { Writer } from "./writer.ts";

interface Family {
  readonly name: string;
  readonly rows: readonly string[];
  readonly cases: Readonly<Partial<Record<Mode, number>>>;
}
const families: readonly Family[] = [
  { name: "integer", rows: integerRows, cases: { 64: 48, 32: 32, 16: 32 } },
  { name: "fault", rows: faultRows, cases: { 64: 12, 32: 8, 16: 8 } },
  { name: "mmx", rows: mmxRows, cases: { 64: 24, 32: 6 } },
  { name: "sse", rows: sseRows, cases: { 64: 40, 32: 8 } },
  { name: "x87", rows: x87Rows, cases: { 64: 48, 32: 10, 16: 6 } },
];

const inSize = 736,
  outSize = 672;
interface Planned {
  readonly form: number;
  readonly b: Builder;
  readonly bytes: Uint8Array;
}
interface Native {
  gpr: bigint[];
  rip: bigint;
  cr2: bigint;
  rflags: number;
  vector: number;
  error: number;
  fx: Uint8Array;
  memory: Uint8Array;
}

function seedOf(text: string): number {
  let h = 0x811c9dc5;
  for (const c of text) h = Math.imul(h ^ c.charCodeAt(0), 0x01000193);
  return (h >>> 0) % 0x3fffffff;
}

function plan(templates: readonly Template[], mode: Mode, family: string, wanted: number): Planned[] {
  return templates.flatMap((t, form) => {
    const list: Planned[] = [];
    const first = seedOf(`${family} ${mode} ${t.name}`);
    for (let seed = first; list.length < wanted + 2 && seed < first + wanted * 20; seed++) {
      const b = new Builder(t, mode, seed),
        bytes = b.build();
      if (bytes && !undefinedResult(b)) list.push({ form, b, bytes });
    }
    return list;
  });
}

function startMemory(b: Builder): Uint8Array {
  const memory = freshMemory(b.t.background);
  for (const p of b.patches) memory.set(p.bytes, watchedOffset(p.address));
  return memory;
}

function toNative(cases: readonly Planned[]): Uint8Array {
  const file = new Uint8Array(8 + flavours.length * pageSize + cases.length * inSize),
    view = new DataView(file.buffer);
  view.setUint32(0, flavours.length, true);
  view.setUint32(4, cases.length, true);
  flavours.forEach((f, i) => {
    file.set(background(f), 8 + i * pageSize);
  });
  cases.forEach(({ b, bytes }, i) => {
    const at = 8 + flavours.length * pageSize + i * inSize,
      s = b.state;
    for (let r = 0; r < 16; r++) view.setBigUint64(at + 8 * r, s.gpr[r]!, true);
    view.setBigUint64(at + 128, s.rip, true);
    view.setUint32(at + 136, s.rflags, true);
    file.set([b.mode, bytes.length, b.t.hook === "rep" ? 1 : 0, flavours.indexOf(b.t.background)], at + 140);
    file.set(bytes, at + 144);
    b.patches.forEach((p, k) => {
      view.setUint32(at + 160 + 32 * k, p.address, true);
      file[at + 164 + 32 * k] = p.bytes.length;
      file.set(p.bytes, at + 165 + 32 * k);
    });
    file.set(s.fxsave, at + 224);
  });
  return file;
}

function fromNative(file: Uint8Array, cases: readonly Planned[]): Native[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let at = 0;
  return cases.map(({ b }) => {
    const trap = view.getUint32(at + 148, true);
    const memory = startMemory(b),
      changes = view.getUint32(at + 156, true),
      n: Native = {
        // Leaving a 16-bit stack, the kernel's ESPFIX leaves its own bits above ESP.
        gpr: Array.from({ length: 16 }, (_, r) =>
          BigInt.asUintN(b.width, view.getBigUint64(at + 8 * r, true)),
        ),
        rip: view.getBigUint64(at + 128, true),
        cr2: view.getBigUint64(at + 136, true),
        rflags: view.getUint32(at + 144, true),
        vector: trap === 1 ? -1 : trap,
        error: view.getUint32(at + 152, true),
        fx: file.slice(at + 160, at + 672),
        memory,
      };
    at += outSize;
    for (let i = 0; i < changes; i++, at += 8)
      memory[watchedOffset(view.getUint32(at, true))] = file[at + 4]!;
    if (b.t.hook === "pushf" && n.vector < 0) clearPushedTrapFlag(b, n);
    return n;
  });
}

/** The oracle runs under TF, and PUSHF stores it; a case does not have TF set. */
function clearPushedTrapFlag(b: Builder, n: Native): void {
  const sp = b.mode === 16 ? Number(n.gpr[4]! & 0xffffn) + watchedPages[1]! : Number(n.gpr[4]!);
  n.memory[watchedOffset(sp + 1)]! &= 0xfe;
}

function runs(
  before: Uint8Array,
  after: Uint8Array,
  from: number,
  to: number,
): { at: number; bytes: Uint8Array }[] {
  const list: { at: number; bytes: Uint8Array }[] = [];
  for (let i = from; i < to; i++) {
    if (before[i] === after[i]) continue;
    let end = i + 1;
    while (end < to && before[end] !== after[end]) end++;
    list.push({ at: i, bytes: after.slice(i, end) });
    i = end;
  }
  return list;
}

const addressOf = (offset: number): number =>
  watchedPages[Math.floor(offset / pageSize)]! + (offset % pageSize);

/** Where FNSTENV, FNSAVE and FXSAVE put the last instruction's pointers and opcode, MXCSR_MASK and reserved bytes. */
function ignoredMemory(b: Builder): { address: number; length: number }[] {
  if (b.t.hook === "fxsave")
    return [
      [6, 18],
      [28, 4],
      [416, 96],
    ].map(([at, length]) => ({ address: b.ea + at!, length: length! }));
  if (b.t.hook !== "environment") return [];
  const short = b.mode === 16;
  return [{ address: b.ea + (short ? 6 : 12), length: short ? 8 : 16 }];
}

function writeCase(w: Writer, p: Planned, n: Native): void {
  const { b, bytes } = p,
    start = startMemory(b);
  w.u8(bytes.length).raw(bytes);
  w.number(b.overrides.size);
  for (const [field, value] of b.overrides) w.u8(field).big(value);
  const place = (address: number, data: Uint8Array): void => {
    w.number(address - dataPage)
      .number(data.length)
      .raw(data);
  };
  w.number(b.patches.length);
  for (const patch of b.patches) place(patch.address, patch.bytes);
  w.number(undefinedFlags(b, n.vector));
  w.u8(n.vector < 0 ? 255 : n.vector);
  if (n.vector >= 0) w.number([8, 10, 11, 12, 13, 14, 17].includes(n.vector) ? n.error : 0);
  if (n.vector === 14) w.big(n.cr2);
  const changed = n.gpr.map((v, i) => [v, i] as const).filter(([v, i]) => v !== b.state.gpr[i]!);
  w.number(changed.length);
  for (const [v, i] of changed) w.u8(i).big(v);
  const next = advance(b.mode, b.state.rip, bytes.length);
  if (n.rip === next) w.u8(0);
  else if (n.rip === b.state.rip) w.u8(1);
  else w.u8(2).big(n.rip);
  w.number((n.rflags ^ b.state.rflags) & ~0x10100);
  const fxRuns = fxCompared.flatMap((f) => runs(b.state.fxsave, n.fx, f.at, f.at + f.length));
  w.number(fxRuns.length);
  for (const r of fxRuns) w.number(r.at).number(r.bytes.length).raw(r.bytes);
  const memoryRuns = watchedPages.flatMap((_, i) => runs(start, n.memory, i * pageSize, (i + 1) * pageSize));
  w.number(memoryRuns.length);
  for (const r of memoryRuns) place(addressOf(r.at), r.bytes);
  const ignored = ignoredMemory(b);
  w.number(ignored.length);
  for (const r of ignored) w.number(r.address - dataPage).number(r.length);
}

/** The kernel reports page faults in its own half with P set, so such a case says nothing about the processor. */
const usable = (n: Native): boolean => n.vector !== 14 || n.cr2 < 1n << 47n;

function make(family: Family, mode: Mode, oracle: string, scratch: string, output: string): void {
  const wanted = family.cases[mode]!,
    templates = family.rows.flatMap((row) => parseRow(row, mode));
  const planned = plan(templates, mode, family.name, wanted);
  writeFileSync(`${scratch}/cases`, toNative(planned));
  execFileSync(oracle, [`${scratch}/cases`, `${scratch}/outcomes`]);
  const natives = fromNative(readFileSync(`${scratch}/outcomes`), planned);
  const w = new Writer(),
    vectors = new Map<number, number>();
  const forms: Form[] = templates.map((t, index) => {
    const seed = seedOf(`${family.name} ${mode} ${t.name}`);
    let last = seed,
      cases = 0;
    planned.forEach((p, i) => {
      if (p.form !== index || !usable(natives[i]!) || cases === wanted) return;
      w.number(p.b.seed - last);
      last = p.b.seed;
      cases++;
      vectors.set(natives[i]!.vector, (vectors.get(natives[i]!.vector) ?? 0) + 1);
      writeCase(w, p, natives[i]!);
    });
    return {
      name: t.name,
      seed,
      cases,
      background: t.background,
      units: t.units,
      fswIgnored: t.fswIgnored,
      approximate: t.approximate,
    };
  });
  const kept = forms.filter((f) => f.cases > 0);
  const header = new TextEncoder().encode(
    JSON.stringify({ family: family.name, mode, processor: cpus()[0]!.model, forms: kept }),
  );
  const head = new Uint8Array(8);
  new DataView(head.buffer).setUint32(0, 0x314c4953, true);
  new DataView(head.buffer).setUint32(4, header.length, true);
  const packed = gzipSync(Buffer.concat([head, header, w.bytes()]), { level: 9 });
  writeFileSync(`${output}/${family.name}-${mode}.bin.gz`, packed);
  const total = kept.reduce((sum, f) => sum + f.cases, 0);
  const ends = [...vectors]
    .sort((a, b) => a[0] - b[0])
    .map(([v, k]) => `${v < 0 ? "none" : `#${v}`}:${k}`)
    .join(" ");
  console.log(
    `${family.name}-${mode}: ${kept.length} forms, ${total} cases, ${packed.length} bytes; ends ${ends}`,
  );
  const empty = forms.filter((f) => f.cases === 0).map((f) => f.name);
  if (empty.length) console.log(`  no case of: ${empty.join("; ")}`);
}

const [oracle, scratch, output, only] = process.argv.slice(2) as [string, string, string, string?];
for (const family of families) {
  if (only && only !== family.name) continue;
  for (const mode of [64, 32, 16] as const)
    if (family.cases[mode]) make(family, mode, oracle, scratch, output);
}
