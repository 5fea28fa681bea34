// Where an engine first differs from the bare machine: slice by slice by the hash of the whole state, then by single instructions.
import { differences, type Engine, openMachine } from "../engines/engines.ts";
import { ALL, fuzzGuest, options, read64, seedOf, WATCH, Word, write64 } from "./harness.ts";

const LINES = 12,
  WIDTH = 200;
/** How a slice that differs is cut, one run of both machines for each length. */
const STEPS = [5000, 200, 10, 1] as const;

/** The lives of the fuzzing guest on one machine; a life that has ended is followed by the next seed's. */
class Lives {
  life = -1;
  #steps = 0n;
  readonly #opened: Awaited<ReturnType<typeof openMachine>>;
  readonly #seed: number;

  constructor(opened: Awaited<ReturnType<typeof openMachine>>, seed: number) {
    this.#opened = opened;
    this.#seed = seed;
    this.#begin();
  }
  static async open(module: WebAssembly.Module, engine: Engine, seed: number, root?: string): Promise<Lives> {
    return new Lives(await openMachine(module, engine, options("fuzz", fuzzGuest(root))), seed);
  }
  #begin(): void {
    const { vm, machine } = this.#opened;
    machine.reset();
    write64(vm, Word.seed, seedOf(this.#seed, ++this.life));
    write64(vm, Word.allowed, ALL);
    write64(vm, Word.steps, 0n);
    this.#steps = 0n;
  }

  get opened() {
    return this.#opened;
  }
  get now(): number {
    return this.#opened.vm.clock.now();
  }
  /** @returns how the run ended, and the hash of the state then */
  run(instructions: number): string {
    const stop = this.#opened.machine.run(this.now + instructions);
    return `${JSON.stringify(stop)} ${this.now} ${this.#opened.machine.stateHash()}`;
  }
  /** A slice, then the next life if this one has ended. */
  slice(): string {
    const end = this.run(WATCH),
      steps = read64(this.#opened.vm, Word.steps);
    if (!end.startsWith('{"kind":"budget"') || steps === this.#steps) this.#begin();
    else this.#steps = steps;
    return end;
  }
}

/** What every slice of the bare machine's ends with, for about so many instructions. */
export async function trail(module: WebAssembly.Module, engine: Engine, seed: number, instructions: number, root?: string): Promise<string[]> {
  const lives = await Lives.open(module, engine, seed, root),
    ends: string[] = [];
  while (lives.now < instructions) ends.push(lives.slice());
  return ends;
}

/** Runs an engine along the bare machine's trail. @returns what differs first, a line each; empty when nothing does */
export async function compare(
  module: WebAssembly.Module,
  [bare, engine]: readonly [Engine, Engine],
  seed: number,
  ends: readonly string[],
  root?: string,
): Promise<string[]> {
  const lives = await Lives.open(module, engine, seed, root),
    slice = ends.findIndex((end) => lives.slice() !== end);
  return slice < 0 ? [] : narrow(module, [bare, engine], seed, slice, root);
}

/** What a save file of the two would differ in, by name. */
function saved(...both: readonly [Lives, Lives]): string[] {
  const [a, b] = both.map(({ opened }) => {
    const flat = new Map<string, string>();
    const add = (value: unknown, name: string): void => {
      if (value instanceof Uint8Array || typeof value !== "object" || value === null) flat.set(name, String(value));
      else for (const [key, inner] of Object.entries(value)) add(inner, `${name}.${key}`);
    };
    add(opened.machine.save(), "");
    return flat;
  });
  return [...(a ?? [])].filter(([name, value]) => b?.get(name) !== value).map(([name, value]) => `${name.slice(1)}: ${value.slice(0, WIDTH)} and ${b?.get(name)?.slice(0, WIDTH)}`);
}

/** Both again to the slice that differs, with ever shorter steps in it. */
async function narrow(module: WebAssembly.Module, engines: readonly [Engine, Engine], seed: number, slice: number, root?: string): Promise<string[]> {
  let lead = 0,
    lines: string[] = [];
  for (const step of STEPS) {
    const a = await Lives.open(module, engines[0], seed, root),
      b = await Lives.open(module, engines[1], seed, root);
    for (let n = 0; n < slice; n++) for (const one of [a, b]) one.slice();
    if (lead > 0) for (const one of [a, b]) one.run(lead);
    for (;;) {
      const t = a.now,
        rip = a.opened.vm.regs().rip,
        [x, y] = [a.run(step), b.run(step)];
      if (x !== y) {
        lines = [
          `slice ${slice}, life ${a.life}: ${step} instructions from t ${t}, RIP 0x${rip.toString(16)}, end at t ${a.now} and ${b.now}, RIP 0x${a.opened.vm.regs().rip.toString(16)} and 0x${b.opened.vm.regs().rip.toString(16)}`,
          ...saved(a, b).slice(0, LINES),
          ...differences(a.opened, b.opened, LINES).filter((line) => line.startsWith("memory")),
        ];
        break;
      }
      if (!x.startsWith('{"kind":"budget"') || lead >= WATCH) return [...lines, "gone when the slice is cut so"];
      lead += step;
    }
  }
  return lines;
}
