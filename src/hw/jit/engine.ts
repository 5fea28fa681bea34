// Translates hot blocks while the machine runs, and keeps what was translated: regions by number, their slots in the core's table.
//
// A region is dead when any of its blocks is: the core writes 0 to its word in JIT_REGIONS at once, and its slot is taken
// back here, at the next translation.
import type { Core } from "../index.ts";
import { layout } from "../layout.ts";
import { assemble } from "./module.ts";
import { type Block, type Memory, type Region, RegionFinder } from "./region.ts";
import { Stencils } from "./stencils.ts";
import { type Note, Translator } from "./translate.ts";

const CASE_COUNT = 6, CASE_REGION = 7;
/** Runs after which a block is hot. */
const THRESHOLD = 8000;
/** So many hot blocks are translated together. */
const BATCH = 16;
/** Regions kept at most: the oldest fall first. */
const MAX_REGIONS = 4096;
/** A region is made again with another entry so many times. */
const MAX_REMADE = 6;
const NO_ENTRY = 0xffff;
const SHARED = 0x8000;

interface Kept {
  readonly region: Region;
  readonly slot: number;
  readonly remade: number;
}
export interface JitStatistics {
  regions: number;
  instructions: number;
  spliced: number;
  wasmBytes: number;
  translateMs: number;
  compileMs: number;
  modules: number;
  /** Regions that ended: dropped by the core, absorbed by another, made again with another entry, with the code cache, by age. */
  dropped: number;
  absorbed: number;
  remade: number;
  flushed: number;
  evicted: number;
}
export interface JitOptions {
  readonly threshold?: number;
  readonly batch?: number;
  readonly note?: Note;
}

export class Jit {
  readonly statistics: JitStatistics = { regions: 0, instructions: 0, spliced: 0, wasmBytes: 0, translateMs: 0, compileMs: 0, modules: 0, dropped: 0, absorbed: 0, remade: 0, flushed: 0, evicted: 0 };
  /** Why nothing is translated any more. */
  failure: string | undefined;
  readonly #core: Core;
  readonly #m: Memory;
  readonly #finder: RegionFinder;
  readonly #translator: Translator;
  readonly #table: WebAssembly.Table;
  readonly #imports: WebAssembly.Imports;
  readonly #threshold: number;
  readonly #regions = new Map<number, Kept>();
  readonly #freeSlots: number[] = [];
  #nextId = 1;
  #flushes = 0;

  constructor(core: Core, file: Uint8Array, options: JitOptions = {}) {
    const stencils = new Stencils(file), { buffer } = core.memory;
    this.#core = core;
    this.#m = { u8: core.u8, u16: new Uint16Array(buffer), u32: core.u32, view: core.view };
    this.#finder = new RegionFinder(this.#m, stencils);
    this.#translator = new Translator(this.#m, stencils, options.note);
    this.#table = core.exports.table;
    this.#imports = { env: { memory: core.memory, callCase: core.exports.callCase, intercepts: core.exports.intercepts, yanked: core.exports.yanked } };
    this.#threshold = options.threshold ?? THRESHOLD;
    core.u32[layout.JIT_THRESHOLD >> 2] = this.#threshold;
    core.u32[layout.JIT_BATCH >> 2] = options.batch ?? BATCH;
    core.translate = () => this.translate();
    core.exports.flushCode();
    this.#flushes = core.u32[layout.JIT_FLUSHES >> 2]!;
  }

  /** Translate what waits in JIT_QUEUE. */
  translate(): void {
    const { u32 } = this.#m, view = this.#core.view, started = performance.now();
    if (u32[layout.JIT_QUEUED >> 2] === 0) return;
    this.#reclaim();
    const queued = u32[layout.JIT_QUEUED >> 2]!, made: { id: number; region: Region; entryOf: Int32Array; body: Uint8Array; remade: number }[] = [];
    const taken = new Set<number>();
    for (let i = 0; i < queued; i++) {
      const e = layout.JIT_QUEUE + i * 16, at = u32[e >> 2]!;
      const address = view.getUint32(e + 8, true) + view.getInt32(e + 12, true) * 0x100000000;
      if (!this.#finder.alive(at) || taken.has(at)) continue;
      const heads = [{ at, address }];
      let remade = 0;
      const owner = this.#finder.owner(at), old = this.#regions.get(owner);
      if (old) {
        if (old.remade >= MAX_REMADE) continue;
        remade = old.remade + 1;
        for (const k of old.region.entries) {
          const b = old.region.blocks[k]!;
          if (b.at !== at) heads.push({ at: b.at, address: b.address });
        }
        this.#kill(owner, old);
        this.statistics.remade++;
      }
      const region = this.#finder.find(heads, (number, room) => {
        const other = this.#regions.get(number);
        if (!other || other.remade >= MAX_REMADE || other.region.mode !== u32[(at >> 2) + 2] || other.region.blocks.length > room.blocks) return undefined;
        if (other.region.blocks.reduce((n, b) => n + b.n, 0) > room.instructions) return undefined;
        remade = Math.max(remade, other.remade + 1);
        this.#kill(number, other);
        this.statistics.absorbed++;
        return other.region;
      });
      const id = this.#newId();
      const { body, entryOf, instructions, spliced } = this.#translator.translate(region, id);
      for (const b of region.blocks) taken.add(b.at);
      this.#claim(id, region, entryOf);
      made.push({ id, region, entryOf, body, remade });
      this.statistics.instructions += instructions;
      this.statistics.spliced += spliced;
    }
    u32[layout.JIT_QUEUED >> 2] = 0;
    if (made.length === 0) return;
    const bytes = assemble(made.map((r) => r.body)), emitted = performance.now();
    let instance: WebAssembly.Instance;
    try {
      instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), this.#imports);
    } catch (error) {
      // An environment that compiles nothing while it runs: from here on the interpreter has it all.
      this.failure = error instanceof Error ? error.message : String(error);
      u32[layout.JIT_THRESHOLD >> 2] = 0;
      for (const { id } of made) u32[(layout.JIT_REGIONS >> 2) + id] = 0;
      return;
    }
    made.forEach(({ id, region, remade }, i) => {
      const slot = this.#freeSlots.pop() ?? this.#table.grow(1);
      this.#table.set(slot, instance.exports[`r${i}`] as () => number);
      u32[(layout.JIT_REGIONS >> 2) + id] = slot;
      this.#regions.set(id, { region, slot, remade });
    });
    const s = this.statistics;
    s.regions += made.length;
    s.modules++;
    s.wasmBytes += bytes.length;
    s.translateMs += emitted - started;
    s.compileMs += performance.now() - emitted;
  }
  /** Note in the blocks to which region they belong, and put CASE_REGION before its entries. */
  #claim(id: number, region: Region, entryOf: Int32Array): void {
    const { u16, u32 } = this.#m;
    region.blocks.forEach((block: Block, k) => {
      const h = block.at >> 1, entry = entryOf[k]!;
      if (region.shared.has(k)) { u16[h + 15]! |= SHARED; return; }
      if (u16[h + 12] === 0) u16[h + 12] = u16[h + 16]!;
      u16[h + 13] = entry < 0 ? NO_ENTRY : entry;
      u16[h + 14] = id;
      u16[h + 15] = (u16[h + 15]! & SHARED) | Math.min(4 * this.#threshold, 0x7fff);
      u16[h + 16] = entry === -2 ? u16[h + 12]! : entry < 0 ? CASE_COUNT : CASE_REGION;
    });
    // Alive from now on; the slot is set before anything runs.
    u32[(layout.JIT_REGIONS >> 2) + id] = 1;
  }
  #newId(): number {
    while (this.#regions.size >= MAX_REGIONS) {
      const [id, kept] = this.#regions.entries().next().value!;
      this.#kill(id, kept);
      this.statistics.evicted++;
    }
    do this.#nextId = this.#nextId >= 0xffff ? 1 : this.#nextId + 1;
    while (this.#regions.has(this.#nextId));
    return this.#nextId;
  }
  #kill(id: number, kept: Kept): void {
    this.#m.u32[(layout.JIT_REGIONS >> 2) + id] = 0;
    this.#forget(id, kept);
  }
  #forget(id: number, { region, slot }: Kept): void {
    for (const { at } of region.blocks)
      if (this.#finder.alive(at) && this.#m.u16[(at + 28) >> 1] === id) this.#core.exports.countRuns(at);
    this.#release(id, slot);
  }
  #release(id: number, slot: number): void {
    this.#table.set(slot, null);
    this.#freeSlots.push(slot);
    this.#regions.delete(id);
  }
  /** Slots of the regions that died meanwhile. */
  #reclaim(): void {
    const { u32 } = this.#m, flushes = u32[layout.JIT_FLUSHES >> 2]!;
    if (flushes !== this.#flushes) {
      // Every block is gone, and others lie where they lay.
      this.#flushes = flushes;
      this.statistics.flushed += this.#regions.size;
      for (const [id, { slot }] of [...this.#regions]) this.#release(id, slot);
      return;
    }
    for (const [id, kept] of [...this.#regions]) if (u32[(layout.JIT_REGIONS >> 2) + id] === 0) {
      this.#forget(id, kept);
      this.statistics.dropped++;
    }
  }
}
