// The figures of docs/jit.md, taken in whatever engine runs this: Node, a page, a worker.
import { type Core, layout } from "../../src/hw/index.ts";
import { loops } from "./forms.ts";
import { blockAt, CODE, createCore, DATA, instantiate, load, runMixed } from "./guest.ts";
import { translate } from "./translate.ts";
import { type Library, readLibrary } from "./wasm.ts";

// Short samples, many of them: on a shared machine some fall between the other jobs.
const REPEATS = 100;
const MANY = 3_000_000;
const registers = { rbp: 0x7fffffffn, rsi: BigInt(DATA), rdi: BigInt(DATA + 0x2000), rcx: 3n };

export interface Figures {
  readonly loops: readonly {
    name: string;
    interpreter: number;
    memory: number;
    locals: number;
    bytes: number;
  }[];
  /** Of a module that was never run before: millions of instructions in the first second, milliseconds to 90 % of full speed. */
  readonly firstSecond: number;
  readonly tierUpMs: number;
  readonly runEntryNs: number;
  readonly translateMs: number;
  readonly instantiateMs: number;
}

function best(work: () => number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < REPEATS; i++) {
    const from = performance.now(),
      n = work();
    least = Math.min(least, ((performance.now() - from) * 1e6) / n);
  }
  return least;
}
function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

/** Speed over the first seconds of a module's life, in slices of 200,000 instructions. */
function warmUp(core: Core): { firstSecond: number; tierUpMs: number } {
  load(core, loops[0]?.code ?? [], registers);
  const from = performance.now(),
    slices: { end: number; ms: number }[] = [];
  let firstSecond = 0;
  for (let last = from; last - from < 4000; ) {
    core.exports.run(200_000);
    const now = performance.now();
    if (now - from < 1000) firstSecond += 0.2;
    slices.push({ end: now - from, ms: now - last });
    last = now;
  }
  const full = median(slices.slice(-200).map((s) => s.ms));
  const steady = slices.findIndex((_, i) => median(slices.slice(i, i + 9).map((s) => s.ms)) < full / 0.9);
  return { firstSecond, tierUpMs: slices[steady]?.end ?? Number.NaN };
}
function measureLoop(
  core: Core,
  library: Library,
  index: number,
): Figures["loops"][number] & { translateMs: number; instantiateMs: number } {
  const { name, code } = loops[index]!;
  load(core, code, registers);
  core.exports.run(20_000);
  // The loop of the first program starts behind its first instruction.
  const block = blockAt(core, index === 0 ? CODE + 2 : CODE);
  core.exports.run(100 * MANY); // the best compiler has come by then
  const interpreter = best(() => {
    core.exports.run(MANY);
    return MANY;
  });
  const timed = (inLocals: boolean): { ns: number; bytes: number; ms: number[] } => {
    const t0 = performance.now(),
      region = translate(core, library, block, { inLocals });
    const t1 = performance.now(),
      run = instantiate(core, region),
      t2 = performance.now();
    runMixed(core, region, run, MANY * 100);
    return {
      ns: best(() => runMixed(core, region, run, MANY * 4)),
      bytes: region.bytes.length,
      ms: [t1 - t0, t2 - t1],
    };
  };
  const memory = timed(false),
    locals = timed(true);
  return {
    name,
    interpreter,
    memory: memory.ns,
    locals: locals.ns,
    bytes: locals.bytes,
    translateMs: locals.ms[0] ?? 0,
    instantiateMs: locals.ms[1] ?? 0,
  };
}

export async function measure(coreBytes: BufferSource, stencilBytes: Uint8Array): Promise<Figures> {
  const module = await WebAssembly.compile(coreBytes),
    core = await createCore(module);
  const warm = warmUp(core),
    library = readLibrary(stencilBytes);
  const all = loops.map((_, i) => measureLoop(core, library, i));
  load(core, loops[2]?.code ?? [], registers);
  const runEntryNs = best(() => {
    for (let i = 0; i < 20_000; i++) core.exports.run(1);
    return 20_000;
  });
  if (core.u32[layout.STOP_REASON / 4] !== layout.STOP_BUDGET)
    throw new Error("spike: the guest stopped; look at forms.ts");
  return {
    loops: all.map(({ name, interpreter, memory, locals, bytes }) => ({
      name,
      interpreter,
      memory,
      locals,
      bytes,
    })),
    ...warm,
    runEntryNs,
    translateMs: median(all.map((l) => l.translateMs)),
    instantiateMs: median(all.map((l) => l.instantiateMs)),
  };
}
