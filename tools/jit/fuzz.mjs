// npm run fuzz -- [INSTRUCTIONS] [SEED]: loops of random instructions, interpreted and translated side by side.
//
// A loop loads its registers with addresses of plain memory and with random numbers, runs a dozen random instructions, and
// goes round. Whatever faults ends in a handler that halts, on both sides alike.
import { runTool, say, ToolError } from "../lib/say.mjs";
import { sources } from "./sources.mjs";

const ROUNDS = 60;
const PREFIXES = [[], [], [], [0x66], [0x48], [0x48], [0x4c], [0x41], [0x66, 0x48], [0xf3], [0xf2], [0xf0]];
/** Opcodes with a ModRM byte, and how many bytes of immediate follow. */
const MODRM = [
  ...[0, 1, 2, 3, 8, 9, 0xa, 0xb, 0x10, 0x11, 0x12, 0x13, 0x18, 0x19, 0x1a, 0x1b, 0x20, 0x21, 0x22, 0x23, 0x28, 0x29, 0x2a, 0x2b].map((op) => [[op], 0]),
  ...[0x30, 0x31, 0x32, 0x33, 0x38, 0x39, 0x3a, 0x3b, 0x63, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8d, 0xd0, 0xd1, 0xd2, 0xd3, 0xf6, 0xf7, 0xfe].map((op) => [[op], 0]),
  ...[0x6b, 0x80, 0x83, 0xc0, 0xc1, 0xc6].map((op) => [[op], 1]),
  ...[0x69, 0x81, 0xc7].map((op) => [[op], 4]),
  ...[0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f, 0x90, 0x92, 0x94, 0x95, 0x98, 0x9c, 0x9f].map((op) => [[0x0f, op], 0]),
  ...[0xa3, 0xab, 0xb3, 0xbb, 0xaf, 0xb0, 0xb1, 0xb6, 0xb7, 0xbc, 0xbd, 0xbe, 0xbf, 0xc0, 0xc1, 0xa5, 0xad].map((op) => [[0x0f, op], 0]),
  ...[0xa4, 0xac, 0xba, 0x70, 0xc2, 0xc6].map((op) => [[0x0f, op], 1]),
  ...[0x10, 0x11, 0x12, 0x13, 0x14, 0x16, 0x28, 0x29, 0x2a, 0x2c, 0x2d, 0x2e, 0x51, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x5c, 0x5e].map((op) => [[0x0f, op], 0]),
  ...[0x60, 0x61, 0x64, 0x65, 0x66, 0x6b, 0x6c, 0x6e, 0x6f, 0x74, 0x76, 0x7e, 0x7f, 0xd4, 0xd6, 0xd7, 0xdb, 0xeb, 0xef, 0xfc, 0xfe, 0xf6].map((op) => [[0x0f, op], 0]),
];
const PLAIN = [[0x50], [0x58], [0x52], [0x5a], [0x98], [0x99], [0xf5], [0xf8], [0xf9], [0x9e], [0x9f], [0x90], [0xa4], [0xaa], [0xac], [0xc9], [0x0f, 0xc8], [0x0f, 0xca]];

function generator(seed) {
  let s = seed >>> 0 || 1;
  return (below) => {
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    return (s >>> 0) % below;
  };
}
const le = (value, n) => Array.from({ length: n }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 255n));

function instruction(random, pick) {
  if (random(8) === 0) return [...pick(PREFIXES.slice(0, 9)), ...pick(PLAIN)];
  const [opcode, immediate] = pick(MODRM), register = random(8) << 3;
  // A register, or memory at [rsi], [rdi], [rbx] with a displacement of a byte.
  const operand = random(2) ? [0xc0 | register | random(8)] : [0x40 | register | pick([6, 7, 3]), random(128)];
  return [...pick(PREFIXES), ...opcode, ...operand, ...Array.from({ length: immediate }, () => random(256))];
}
/** mov r15d... registers; random instructions with short forward branches; dec dword [counter]; jnz. */
function program(random, { CODE, DATA }) {
  const pick = (list) => list[random(list.length)], body = [];
  const setRegister = (r, value) => [0x48 | (r >> 3), 0xb8 | (r & 7), ...le(value, 8)];
  const loop = [
    ...setRegister(6, DATA + 0x100), ...setRegister(7, DATA + 0x800), ...setRegister(3, DATA + 0x400), ...setRegister(4, 0x9800), ...setRegister(5, 0x9900),
    ...(random(2) ? setRegister(0, (BigInt(random(2 ** 32)) << 32n) | BigInt(random(2 ** 32))) : []), ...(random(2) ? setRegister(1, random(64)) : []),
  ];
  for (let i = 0; i < 12; i++) {
    const one = instruction(random, pick);
    if (random(5) === 0) body.push(0x70 | random(16), one.length);
    body.push(...one);
  }
  const start = CODE + 11, counter = 0x9f00;
  const code = [0xc7, 0x04, 0x25, ...le(counter, 4), ...le(ROUNDS, 4), ...loop, ...body, 0xff, 0x0c, 0x25, ...le(counter, 4), 0x0f, 0x85];
  return [...code, ...le(start - (CODE + code.length + 4), 4), 0xf4];
}

await runTool(async () => {
  const [wanted = 10_000_000, seed = 1] = process.argv.slice(2).map(Number);
  const s = await sources(), random = generator(seed), plain = await s.createCore(s.module), core = await s.createCore(s.module);
  core.jit = new s.Jit(core, s.stencils, { threshold: 6, batch: 1, maker: (memory, stencils) => new s.Workshop(memory, stencils) });
  let done = 0, programs = 0;
  while (done < wanted) {
    const code = program(random, s);
    const results = [plain, core].map((on) => {
      s.load(on, code, {});
      for (let i = 0; i < 32; i++) on.u64[s.layout.XMM / 8 + i] = BigInt.asUintN(64, 0x3ff0123456789abcn * BigInt(i * i + 1));
      on.exports.run(40 * ROUNDS);
      const xmm = [...on.u64.slice(s.layout.XMM / 8, s.layout.XMM / 8 + 32)].map((v) => v.toString(16)).join(" ");
      const { state, ram } = s.snapshot(on);
      return { text: `${state} ${xmm} mxcsr=${on.u32[s.layout.MXCSR / 4]}`, ram, t: on.exports.clock() };
    });
    programs++;
    done += results[0].t;
    if (results[0].text !== results[1].text || Buffer.compare(results[0].ram, results[1].ram) !== 0)
      throw new ToolError(`fuzz: program ${programs} of seed ${seed} differs\n${Buffer.from(code).toString("hex")}\n${results[0].text}\n${results[1].text}`);
  }
  say(`fuzz: ${programs} programs, ${done} instructions, ${s.translated(core)} of them translated, no difference`);
});
