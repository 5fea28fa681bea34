// Packs a compiled module of stencils into the file that src/hw/jit/stencils.ts reads: what the splicer needs to know of each
// function stands in a head, and functions that translated code never enters are empty.

/** Names of the interpreter's functions by what a call of them means to translated code; see docs/jit.md. */
const ROLES = {
  // slow paths: the interpreter runs the instruction again and does what is right
  1: ["rdSlow", "wrSlow", "rmwSlow", "rdPtrSlow", "wrFrom", "raise", "exception", "pageFault", "setFault", "mayTouchDevice", "denyCall", "intercept", "pauseLoop",
    "softAdd", "softMul", "softDiv", "softSqrt", "softMinMax", "softCompare", "softConvert", "softToInt", "softFromInt", "softRound",
    "loadMem", "loadReg", "loadConstant", "storeReg", "fxch", "fcmovcc", "fchs", "storeFloat", "storeInt", "arithMem", "arithReg", "compareReg", "compareMem",
    "compareFlags", "ftst"],
  // unreachable behind an access that took the fast path
  2: ["writeBack"],
  3: ["link"],
  4: ["jump"],
  // bodies that need the interpreter's loop around them
  5: ["next", "resume", "stop", "boundary", "jumpShort", "afterSegment", "deliver", "undefined", "invalidOpcode", "tooLong"],
};
/** What is imported on purpose: questions to the fast TLB. */
const INTRINSICS = { missesSpan: 7, hostOf: 8 };
const EMPTY = [2, 0, 0x0b];
const BODY = 0;
const IMPORT = 6;

const shortName = (name) => (name.split("<")[0] ?? "").replace(/^.*\//, "");

class Reader {
  at = 0;
  constructor(bytes) {
    this.bytes = bytes;
  }
  u8() {
    return this.bytes[this.at++];
  }
  u32() {
    let value = 0, scale = 1;
    for (;;) {
      const byte = this.u8();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
  }
  name() {
    const size = this.u32(), from = this.at;
    this.at += size;
    return new TextDecoder().decode(this.bytes.subarray(from, this.at));
  }
  list(read) {
    return Array.from({ length: this.u32() }, read);
  }
}
function leb(value) {
  const out = [];
  for (; value > 127; value = Math.floor(value / 128)) out.push((value % 128) | 128);
  return [...out, value];
}
function skipConstant(r) {
  for (;;) {
    const op = r.u8();
    if (op === 0x0b) return;
    if (op === 0x43) r.at += 4;
    else if (op === 0x44) r.at += 8;
    else if (op === 0xfd) { r.u32(); r.at += 16; }
    else while (r.u8() > 127);
  }
}

function read(bytes) {
  const r = new Reader(bytes);
  const m = { types: [], typeOf: [], imported: 0, importNames: [], exports: new Map(), names: new Map(), globalNames: new Map(), globalTypes: [], bodies: [] };
  for (r.at = 8; r.at < bytes.length; ) {
    const id = r.u8(), end = r.u32() + r.at;
    if (id === 1) m.types = r.list(() => { r.u8(); return { params: r.list(() => r.u8()), results: r.list(() => r.u8()) }; });
    else if (id === 2)
      r.list(() => {
        r.name();
        const name = r.name(), kind = r.u8();
        if (kind === 0) { m.typeOf.push(r.u32()); m.importNames[m.imported++] = name; }
        else { const limits = r.u8(); r.u32(); if (limits & 1) r.u32(); }
      });
    else if (id === 3) m.typeOf.push(...r.list(() => r.u32()));
    else if (id === 6) r.list(() => { m.globalTypes.push(r.u8()); r.u8(); skipConstant(r); });
    else if (id === 7) r.list(() => { const name = r.name(), kind = r.u8(), index = r.u32(); if (kind === 0) m.exports.set(name, index); });
    else if (id === 10) r.list(() => { const size = r.u32(); m.bodies.push(bytes.subarray(r.at, r.at + size)); r.at += size; });
    else if (id === 0 && r.name() === "name")
      while (r.at < end) {
        const kind = r.u8(), stop = r.u32() + r.at, into = kind === 1 ? m.names : kind === 7 ? m.globalNames : undefined;
        if (into) r.list(() => { const index = r.u32(); into.set(index, shortName(r.name())); });
        r.at = stop;
      }
    r.at = end;
  }
  return m;
}

/** @param list the cases compiled: number, label, whether the interpreter inlines it
 *  @param core digest of the core that the cases are of
 *  @param entered functions whose bodies are kept; all without it */
export function pack(bytes, list, core, entered) {
  const m = read(bytes), roles = new Map(Object.entries(ROLES).flatMap(([role, names]) => names.map((n) => [n, Number(role)])));
  const roleOf = (i) => (i < m.imported ? (INTRINSICS[m.importNames[i]] ?? IMPORT) : (roles.get(m.names.get(i)) ?? BODY));
  const functions = m.typeOf.map((type, i) => [type, roleOf(i)]);
  const cases = [];
  for (const c of list) cases[c.number] = m.exports.get(`c${c.number}`) ?? -1;
  for (let i = 0; i < cases.length; i++) cases[i] ??= -1;
  const head = {
    core,
    types: m.types, functions, imported: m.imported, cases,
    calls: list.filter((c) => /\bCALL\b/.test(c.label)).map((c) => c.number),
    bulk: list.filter((c) => c.text.includes("rep_")).map((c) => c.number),
    firstCold: Math.min(...list.filter((c) => !c.inlined).map((c) => c.number)),
    globals: m.globalTypes.map((type, i) => ({ name: m.globalNames.get(i) ?? `#${i}`, type })),
  };
  const text = new TextEncoder().encode(JSON.stringify(head));
  const code = [Uint8Array.from(leb(m.bodies.length))];
  m.bodies.forEach((body, i) => {
    if (roleOf(i + m.imported) !== BODY || entered?.has(i + m.imported) === false) code.push(Uint8Array.from(EMPTY));
    else code.push(Uint8Array.from(leb(body.length)), body);
  });
  const size = new Uint8Array(4);
  new DataView(size.buffer).setUint32(0, text.length, true);
  return Buffer.concat([size, text, ...code]);
}
