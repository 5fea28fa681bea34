// Every case that the interpreter inlines, on random operands: spliced and interpreted, one instruction at a time.
//
// The records are written, not decoded: a block of one instruction is decoded once, and its record replaced.
import { readFileSync } from "node:fs";
import { beforeAll, expect, test } from "vitest";
import { layout } from "../../src/hw/index.ts";
import { buildCore } from "../build-core.mjs";
import { at } from "../lib/fingerprint.mjs";
import { blockAt, CODE, contextOf, createCore, DATA, instantiate, load } from "./guest.ts";
import { buildStencils, cases } from "./stencils.mjs";
import { translate } from "./translate.ts";
import { readLibrary } from "./wasm.ts";

const IMAGE = 0x40000; // tables, handlers, stack, code and data of the guest
const TABLES_END = 0x8000; // accessed bits below are set by the first walk only
const STATE = 0x100,
  STATE_END = 0xa00;
const RECORDS = 2,
  STATES = 3;
// mov [rsi], eax; push rax; pop rax: both pages are entered in the fast TLB. Then a block of one jump.
const WARM_UP = [0x89, 0x06, 0x50, 0x58, 0xeb, 0x00, 0xeb, 0x00, 0xf4];
const ONE = CODE + 6;
const RSI = 48;

/** xorshift32: the same numbers in every run. */
let seed = 0x2545f491;
function random(below) {
  seed ^= seed << 13;
  seed ^= seed >>> 17;
  seed ^= seed << 5;
  return (seed >>> 0) % below;
}
const random64 = () =>
  [0n, 1n, 0x7fffffffn, 0xffffffffffffffffn][random(12)] ??
  (BigInt(random(2 ** 32)) << 32n) | BigInt(random(2 ** 32));

let core, library, image, state, record, block, context, hot;

beforeAll(async () => {
  await buildCore();
  const inlined = new Set(
    [...readFileSync(at("src/hw/cpu/generated/report.txt"), "utf8").matchAll(/^(\d+) hot /gm)].map((m) =>
      Number(m[1]),
    ),
  );
  hot = cases().filter((c) => inlined.has(c.number));
  library = readLibrary(readFileSync(await buildStencils("hot", (c) => inlined.has(c.number))));
  core = await createCore(new WebAssembly.Module(readFileSync(at("build/core.wasm"))));
  load(core, WARM_UP, { rsi: BigInt(DATA + 0x800) });
  core.exports.run(5);
  block = blockAt(core, ONE);
  record = block + 32;
  context = contextOf(core, CODE);
  image = core.u8.slice(layout.RAM, layout.RAM + IMAGE);
  state = core.u8.slice(STATE, STATE_END);
}, 300_000);

function writeRecord({ number, label }) {
  const memory = label.includes("memory"),
    { view } = core;
  const jcc = /^(0F )?[78][0-9A-F] J/.test(label);
  view.setUint16(record, number, true);
  view.setUint8(record + 4, jcc ? 0 : random(16) * 8);
  view.setUint8(record + 5, memory ? RSI : random(16) * 8);
  view.setUint8(record + 6, layout.ZERO_OFF);
  view.setUint8(record + 7, layout.DS | (3 << 6));
  view.setInt32(record + 8, memory ? random(64) - 32 : 0, true); // in a branch: the linked block
  if (/MOV .*O[bv]/.test(label)) {
    // an absolute address of 64 bits
    view.setBigUint64(record + 8, BigInt(DATA + 0x800 + random(64)), true);
    return;
  }
  view.setInt32(record + 12, random(3) ? random(256) : random(2 ** 32) | 0, true);
}
function operands() {
  const registers = Array.from({ length: 16 }, random64);
  registers[4] = 0x9800n;
  registers[5] = 0x9900n;
  registers[6] = BigInt(DATA + 0x800);
  registers[15] = BigInt(DATA); // the #PF handler writes there
  return { registers, flags: random(2 ** 16) & 0x8d5 };
}
function begin({ registers, flags }) {
  core.u8.set(image, layout.RAM);
  core.u8.set(state, STATE);
  registers.forEach((v, i) => {
    core.u64[layout.REGS / 8 + i] = v;
  });
  core.exports.setRflags(flags | 2);
  core.u64[layout.RIP / 8] = BigInt(ONE);
  core.u64[(layout.REGS + layout.RIPB_OFF) / 8] = BigInt(CODE);
  core.exports.setClock(0);
}
function outcome() {
  core.exports.run(0); // an indirect branch has not fetched yet
  const words = [layout.RIP, layout.LF_RES, layout.LF_AUX, layout.EFLAGS, layout.CR2].map(
    (a) => core.u64[a / 8],
  );
  const registers = core.u64.slice(layout.REGS / 8, layout.REGS / 8 + 16);
  return {
    text: `${[...registers, ...words].map((v) => v.toString(16))} t=${core.exports.clock()}`,
    ram: core.u8.slice(layout.RAM + TABLES_END, layout.RAM + IMAGE),
  };
}

test("every inlined case gives the interpreter's registers, lazy flags, RIP and memory on random operands", () => {
  const refused = [],
    differing = new Set();
  let translated = 0;
  for (const c of hot) {
    for (let r = 0; r < RECORDS; r++) {
      writeRecord(c);
      const saved = core.u8.slice(record, record + 16),
        region = translate(core, library, block);
      if (region.refused.some(({ offset }) => offset === ONE - CODE)) {
        refused.push(c.label);
        break;
      }
      const run = instantiate(core, region);
      for (let i = 0; i < STATES; i++) {
        const input = operands();
        begin(input);
        core.exports.run(1);
        const expected = outcome();
        core.u8.set(saved, record); // the interpreter has linked the branch
        begin(input);
        if (run(1, context, 0) === 0) {
          core.exports.setClock(1);
          translated++;
        } else core.exports.run(1);
        const found = outcome();
        core.u8.set(saved, record);
        if (found.text !== expected.text || Buffer.compare(found.ram, expected.ram) !== 0)
          differing.add(`${c.number} ${c.label}\n${expected.text}\n${found.text}`);
      }
    }
  }
  expect([...differing]).toEqual([]);
  // A branch with 16-bit operand size may fault after its budget is settled; docs/jit.md says why POP to memory is refused.
  const others = refused.filter((label) => !/^7[0-9A-F] J\w+ Jb \(16\)$/.test(label));
  expect(others).toEqual(["8F /0 POP Ev (32, memory)", "8F /0 POP Ev (64, memory)"]);
  expect(translated).toBeGreaterThan(0.9 * hot.length * RECORDS * STATES);
}, 120_000);
