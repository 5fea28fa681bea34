// Where regions become modules: beside the machine's thread, in a worker that gets the records it needs, or on that thread itself.
import { layout } from "../layout.ts";
import { assemble } from "./module.ts";
import type { Block, Memory, Region } from "./region.ts";
import { Stencils } from "./stencils.ts";
import { type Note, Translator } from "./translate.ts";

/** Regions that become one module. */
export interface Job {
  readonly number: number;
  readonly regions: readonly { readonly id: number; readonly region: Region }[];
}
/** A job for another thread: its numbers, and its blocks' bytes one behind the other. Objects would take longer to copy than to translate. */
export interface JobMessage { readonly numbers: Float64Array<ArrayBuffer>; readonly records: Uint8Array<ArrayBuffer> }
/** The first message: the file of stencils. */
export interface StartMessage { readonly stencils: Uint8Array }

export interface Product {
  readonly number: number;
  /** Exports r0, r1, ... in the order of the regions. */
  readonly module: WebAssembly.Module | undefined;
  /** Why it was not compiled. */
  readonly failure: string;
  /** By region: entry number by block, as in Translated. */
  readonly entries: readonly Int32Array[];
  readonly instructions: number;
  readonly spliced: number;
  readonly wasmBytes: number;
  readonly translateMs: number;
  readonly compileMs: number;
}
/** A worker that runs serve(). */
export interface WorkshopPort {
  post(message: StartMessage | JobMessage, transfer: ArrayBuffer[]): void;
  /** Products come between two slices of the machine, never within one. */
  listen(arrived: (product: Product) => void): void;
}

/** Makes modules of jobs. */
export interface Maker { make(job: Job): Product }

export class Workshop implements Maker {
  readonly #translator: Translator;
  constructor(memory: Memory, stencils: Stencils, note?: Note) { this.#translator = new Translator(memory, stencils, note); }

  make({ number, regions }: Job): Product {
    const started = performance.now(), bodies: Uint8Array[] = [], entries: Int32Array[] = [];
    let instructions = 0, spliced = 0;
    for (const { id, region } of regions) {
      const made = this.#translator.translate(region, id);
      bodies.push(made.body);
      entries.push(made.entryOf);
      instructions += made.instructions;
      spliced += made.spliced;
    }
    const bytes = assemble(bodies), emitted = performance.now();
    let module: WebAssembly.Module | undefined, failure = "";
    try {
      module = new WebAssembly.Module(bytes);
    } catch (error) {
      // An environment that compiles nothing while it runs.
      failure = error instanceof Error ? error.message : String(error);
    }
    const translateMs = emitted - started, compileMs = performance.now() - emitted;
    return { number, module, failure, entries, instructions, spliced, wasmBytes: bytes.length, translateMs, compileMs };
  }
}

/** Bytes of a block with its header and its NEXT record. */
const sizeOf = (n: number): number => 32 + (n + 1) * 16;

/** What translation needs of a job, as numbers: each list behind its length. */
export function pack(job: Job, memory: Memory): JobMessage {
  const numbers: number[] = [job.number, job.regions.length];
  for (const { id, region } of job.regions) {
    numbers.push(id, region.mode, region.entries.length, ...region.entries, region.blocks.length);
    for (const b of region.blocks) {
      numbers.push(b.at, b.address, b.page, b.n, b.apart ? 1 : 0, b.edges.length);
      for (const e of b.edges) numbers.push(e.record, e.target, e.to);
    }
  }
  const blocks = job.regions.flatMap((r) => r.region.blocks), records = new Uint8Array(blocks.reduce((sum, b) => sum + sizeOf(b.n), 0));
  let to = 0;
  for (const { at, n } of blocks) {
    records.set(memory.u8.subarray(at, at + sizeOf(n)), to);
    to += sizeOf(n);
  }
  return { numbers: Float64Array.from(numbers), records };
}
function unpack(numbers: Float64Array): Job {
  let at = 0;
  const next = (): number => numbers[at++]!;
  const list = <T>(read: () => T): T[] => Array.from({ length: next() }, read);
  const block = (): Block => ({ at: next(), address: next(), page: next(), n: next(), apart: next() === 1, edges: list(() => ({ record: next(), target: next(), to: next() })) });
  const number = next();
  return { number, regions: list(() => ({ id: next(), region: { mode: next(), entries: list(next), blocks: list(block), shared: new Set<number>() } })) };
}

/** The worker's side: give each message that comes, and send back what is returned. */
export function serve(): (message: StartMessage | JobMessage) => Product | undefined {
  // Blocks are written where they lie in the core's memory: nothing else of it is ever touched.
  const u8 = new Uint8Array(layout.ARENA_END), { buffer } = u8;
  const memory = { u8, u16: new Uint16Array(buffer), u32: new Uint32Array(buffer), view: new DataView(buffer) };
  let workshop: Workshop | undefined;
  return (message) => {
    if ("stencils" in message) { workshop = new Workshop(memory, new Stencils(message.stencils)); return undefined; }
    const job = unpack(message.numbers);
    let from = 0;
    for (const { region } of job.regions)
      for (const { at, n } of region.blocks) {
        u8.set(message.records.subarray(from, from + sizeOf(n)), at);
        from += sizeOf(n);
      }
    return workshop?.make(job);
  };
}
