// Translates hot blocks while the machine runs, and keeps what was translated: regions by number, their slots in the core's table.
//
//   JIT_QUEUE --regions found--> job --> Workshop here, or a worker --> product --> slots set, blocks claimed
//
// A job changes nothing until its product arrives, between two slices; what died meanwhile is dropped then. A region is dead
// when any of its blocks is: the core writes 0 to its word in JIT_REGIONS at once, and its slot is taken back here, at the
// next translation.
import type { Core } from "../index.ts";
import { layout } from "../layout.ts";
import { GLOBALS } from "./splice.ts";
import { keyOf, type Library, library } from "./library.ts";
import { type Memory, MERGED, type Region, RegionFinder, type Room, sizeOf } from "./region.ts";
import { Stencils } from "./stencils.ts";
import { type Job, type JobMessage, type Maker, pack, type Product, type WorkshopPort } from "./workshop.ts";

const CASE_COUNT = 6, CASE_REGION = 7;
/** Runs after which a block is hot. */
const THRESHOLD = 8000;
/** So many hot blocks are translated together. */
const BATCH = 16;
/** Fewer wait so many instructions for company: each module has a price of its own. */
const PATIENCE = 1_000_000;
/** Jobs under way at most: what is hot waits in the queue, and grows better regions there. */
const MAX_JOBS = 4;
/** Regions kept at most: the oldest fall first. */
const MAX_REGIONS = 4096;
/** A region is made again with another entry so many times. */
const MAX_REMADE = 6;
/** Two regions become one after so many samples of changes from the one to the other, each of which stands for 1,024: a million
 *  instructions more in code that has not been optimized yet must be worth it, ... */
const MERGE_AFTER = 96;
/** ... others that they lead to or come from after so many, ... */
const NEAR = 24;
/** ... if neither is the outcome of so many others. */
const MAX_MERGED = 16;
/** Pairs of regions whose samples are kept. */
const MAX_PAIRS = 4096;
/** Notes of groups of accesses that cross into another page have the region's number with this bit. So many within so many instructions,
 *  each of which stands for 64 accesses, and those of the block ask each for itself from then on: it is not a buffer that is gone
 *  through, but a stack or a structure that stays where it is. */
const CROSSED = 0x10000;
const APART_AFTER = 16;
const APART_WITHIN = 2_000_000;
const NO_ENTRY = 0xffff;
const SHARED = 0x8000;

interface Kept {
  readonly region: Region;
  readonly slot: number;
  readonly remade: number;
}
/** A region that is being translated. */
interface Planned {
  id: number;
  readonly region: Region;
  readonly remade: number;
  /** Regions that it takes the place of. */
  readonly replaces: readonly number[];
}
/** A region that another one often leads to, by the block that is entered. */
interface Change {
  readonly at: number;
  readonly address: number;
  readonly from: number;
}
/** A job under way. */
interface Underway {
  readonly planned: readonly Planned[];
  readonly flushes: number;
  /** For the library, by region. */
  readonly keys: readonly JobMessage[];
}
export interface JitStatistics {
  regions: number;
  instructions: number;
  spliced: number;
  wasmBytes: number;
  translateMs: number;
  compileMs: number;
  modules: number;
  /** Regions that ended: dropped by the core, absorbed by another, merged with another that they led to, made again with another entry, with the code cache, by age,
   *  and those that had died before they were ready. */
  dropped: number;
  absorbed: number;
  merged: number;
  remade: number;
  flushed: number;
  evicted: number;
  late: number;
  /** Regions that another machine had made before. */
  shared: number;
  /** Regions made again because a group of accesses crossed into another page. */
  loosened: number;
}
export interface JitOptions {
  readonly threshold?: number;
  readonly batch?: number;
  /** Translate there, while the interpreter goes on. */
  readonly workshop?: WorkshopPort | undefined;
  /** Without a workshop elsewhere: translate here, at once. Given from outside, so that a page that has a worker for it need not load it. */
  readonly maker?: (memory: Memory, stencils: Stencils) => Maker;
  /** Where products are shared with other machines; the thread's own without it, false for nowhere. */
  readonly library?: Library | false;
}
/** What it takes to translate hot code. */
export interface Translation {
  /** Contents of build/stencils.bin. */
  readonly stencils: Uint8Array;
  readonly workshop: WorkshopPort;
}

export class Jit {
  readonly statistics: JitStatistics = { regions: 0, instructions: 0, spliced: 0, wasmBytes: 0, translateMs: 0, compileMs: 0, modules: 0, dropped: 0, absorbed: 0, merged: 0, remade: 0, flushed: 0, evicted: 0, late: 0, shared: 0, loosened: 0 };
  /** Why nothing is translated any more. */
  failure: string | undefined;
  readonly #core: Core;
  readonly #m: Memory;
  readonly #finder: RegionFinder;
  readonly #maker: Maker | undefined;
  readonly #port: WorkshopPort | undefined;
  readonly #table: WebAssembly.Table;
  readonly #imports: WebAssembly.Imports;
  readonly #threshold: number;
  readonly #regions = new Map<number, Kept>();
  /** Regions by block that they hold without owning it. */
  readonly #copies = new Map<number, Set<number>>();
  readonly #freeSlots: number[] = [];
  readonly #jobs = new Map<number, Underway>();
  readonly #library: Library | undefined;
  /** Samples of changes from a region to another, by both numbers; what was merged, or cannot be, stays below 0. */
  readonly #changes = new Map<number, number>();
  /** Numbers and blocks of regions that are being translated. */
  readonly #plannedIds = new Set<number>();
  readonly #plannedBlocks = new Set<number>();
  /** Notes of groups that cross, by block; blocks that have had enough of them. */
  readonly #crossed = new Map<number, { readonly since: number; n: number }>();
  readonly #apart = new Set<number>();
  /** Regions to be made again for that. */
  readonly #loosened: number[] = [];
  #nextId = 1;
  #nextJob = 1;
  /** Clock at the latest job. */
  #lastJob = 0;
  #flushes = 0;

  constructor(core: Core, file: Uint8Array, options: JitOptions = {}) {
    const stencils = new Stencils(file), { buffer } = core.memory, { exports } = core;
    this.#core = core;
    this.#m = { u8: core.u8, u16: new Uint16Array(buffer), u32: core.u32, view: core.view };
    this.#finder = new RegionFinder(this.#m, stencils, this.#apart);
    this.#port = options.workshop;
    if (this.#port) {
      this.#port.post({ stencils: file }, []);
      this.#port.listen((product) => this.#arrived(product));
    } else this.#maker = options.maker?.(this.#m, stencils);
    this.#table = exports.table;
    this.#imports = { env: { memory: core.memory, callCase: exports.callCase, ...Object.fromEntries(GLOBALS.map(({ name }) => [name, exports[name]])) } };
    this.#threshold = options.threshold ?? THRESHOLD;
    this.#library = options.library === false ? undefined : (options.library ?? library);
    core.translate = () => this.translate();
    core.copyDropped = (block) => {
      for (const id of this.#copies.get(block) ?? []) core.u32[(layout.JIT_REGIONS >> 2) + id] = 0;
      this.#copies.delete(block);
    };
    if (stencils.head.core !== core.digest) {
      this.failure = "stencils.bin belongs to another core";
      return;
    }
    core.u32[layout.JIT_THRESHOLD >> 2] = this.#threshold;
    core.u32[layout.JIT_BATCH >> 2] = options.batch ?? BATCH;
    exports.flushCode();
    this.#flushes = core.u32[layout.JIT_FLUSHES >> 2]!;
  }

  /** Translate what waits in JIT_QUEUE, and regions that lead to one another often. */
  translate(): void {
    const { u32 } = this.#m, queued = u32[layout.JIT_QUEUED >> 2]!;
    if ((queued === 0 && u32[layout.JIT_CHANGED >> 2] === 0) || this.#jobs.size >= MAX_JOBS || this.failure !== undefined) return;
    const often = this.#often();
    const now = this.#core.exports.clock();
    if (often.length === 0 && this.#loosened.length === 0 && (queued === 0 || (this.#port && queued < u32[layout.JIT_BATCH >> 2]! && now >= this.#lastJob && now < this.#lastJob + PATIENCE))) return;
    this.#lastJob = now;
    this.#reclaim();
    const planned: Planned[] = [];
    for (const change of often) {
      const plan = this.#merge(change);
      if (plan) planned.push(plan);
    }
    for (const id of this.#loosened.splice(0)) {
      const plan = this.#again(id);
      if (plan) planned.push(plan);
    }
    for (let i = 0; i < queued; i++) {
      const e = layout.JIT_QUEUE + i * 16, at = u32[e >> 2]!;
      if (this.#finder.alive(at) && !this.#plannedBlocks.has(at)) planned.push(this.#plan(at, this.#address(e)));
    }
    u32[layout.JIT_QUEUED >> 2] = 0;
    const keys: JobMessage[] = [], fresh = planned.filter((p) => !this.#taken(p, keys));
    if (fresh.length === 0) return;
    const job: Job = { number: this.#nextJob++, regions: fresh.map(({ id, region }) => ({ id, region })) };
    this.#jobs.set(job.number, { planned: fresh, flushes: this.#flushes, keys });
    if (this.#maker) { this.#arrived(this.#maker.make(job)); return; }
    const message = pack(job, this.#m);
    this.#port?.post(message, [message.numbers.buffer, message.records.buffer]);
  }
  /** Take a region from the library; where it is not there, its key is noted. */
  #taken(planned: Planned, keys: JobMessage[]): boolean {
    if (!this.#library) return false;
    const { id, region } = planned, key = keyOf(region, this.#m), shelved = this.#library.take(this.#core.digest, key);
    if (!shelved || (shelved.id !== id && (this.#regions.has(shelved.id) || this.#plannedIds.has(shelved.id)))) {
      keys.push(key);
      return false;
    }
    this.#plannedIds.delete(id);
    planned.id = shelved.id;
    this.#plannedIds.add(shelved.id);
    const { module, index, entries } = shelved, number = this.#nextJob++;
    this.#jobs.set(number, { planned: [planned], flushes: this.#flushes, keys: [] });
    this.statistics.shared++;
    this.#arrived({ number, module, failure: "", entries: [entries], instructions: sizeOf(region), spliced: 0, wasmBytes: 0, translateMs: 0, compileMs: 0 }, index);
    return true;
  }
  #address(entry: number): number {
    const { view } = this.#core;
    return view.getUint32(entry + 8, true) + view.getInt32(entry + 12, true) * 0x100000000;
  }
  /** Changes of region that have now been seen often enough. */
  #often(): Change[] {
    const { u32 } = this.#m, n = u32[layout.JIT_CHANGED >> 2]!, list: Change[] = [];
    if (this.#changes.size > MAX_PAIRS) this.#changes.clear();
    for (let i = 0; i < n; i++) {
      const e = layout.JIT_CHANGES + i * 16, at = u32[e >> 2]!, from = u32[(e >> 2) + 1]!;
      if (from >= CROSSED) { this.#noteCrossed(from - CROSSED, at); continue; }
      const to = this.#finder.alive(at) ? this.#finder.owner(at) : 0, pair = from * 0x10000 + to;
      if (to === 0 || !this.#regions.has(from)) continue;
      const seen = (this.#changes.get(pair) ?? 0) + 1;
      if (seen >= MERGE_AFTER) list.push({ at, address: this.#address(e), from });
      this.#changes.set(pair, seen >= MERGE_AFTER ? Number.NEGATIVE_INFINITY : seen);
    }
    u32[layout.JIT_CHANGED >> 2] = 0;
    return list;
  }
  /** One region in the place of two, and of those that either changes with almost as often: each merging starts with code that has
   *  not been optimized. Or of one that leads to itself by a branch that was not linked when it was made. */
  #merge({ at, address, from }: Change): Planned | undefined {
    const to = this.#finder.alive(at) ? this.#finder.owner(at) : 0, mode = this.#regions.get(to)?.region.mode, taken = new Map<number, Kept>();
    let blocks = 0, instructions = 0;
    const take = (id: number): boolean => {
      const kept = this.#regions.get(id);
      if (taken.has(id)) return true;
      if (!kept || kept.region.mode !== mode || kept.remade >= MAX_MERGED || this.#isReplaced(id)) return false;
      const moreBlocks = blocks + kept.region.blocks.length, more = instructions + sizeOf(kept.region);
      if (moreBlocks > MERGED.blocks || more > MERGED.instructions) return false;
      blocks = moreBlocks;
      instructions = more;
      taken.set(id, kept);
      return true;
    };
    if (!take(to) || !take(from)) return undefined;
    const near = [...this.#changes].filter(([, seen]) => seen >= NEAR).sort((p, q) => q[1] - p[1]);
    for (let size = 0; size < taken.size; ) {
      size = taken.size;
      for (const [pair] of near) {
        const one = Math.floor(pair / 0x10000), other = pair % 0x10000;
        if (taken.has(one) !== taken.has(other)) take(taken.has(one) ? other : one);
      }
    }
    const heads = [{ at, address }];
    let remade = 0;
    for (const kept of taken.values()) {
      remade = Math.max(remade, kept.remade + 1);
      for (const k of kept.region.entries) {
        const block = kept.region.blocks[k]!;
        if (block.at !== at && this.#finder.alive(block.at)) heads.push({ at: block.at, address: block.address });
      }
    }
    if (heads.some((h) => this.#plannedBlocks.has(h.at))) return undefined;
    this.statistics.merged += taken.size;
    return this.#planned(heads, () => undefined, [...taken.keys()], () => remade, MERGED);
  }
  #noteCrossed(id: number, at: number): void {
    if (this.#crossed.size > MAX_PAIRS) this.#crossed.clear();
    const now = this.#core.exports.clock();
    let seen = this.#crossed.get(at);
    if (!seen || now < seen.since || now > seen.since + APART_WITHIN) {
      seen = { since: now, n: 0 };
      this.#crossed.set(at, seen);
    }
    if (++seen.n < APART_AFTER || !this.#regions.has(id) || this.#loosened.includes(id)) return;
    this.#crossed.delete(at);
    this.#apart.add(at);
    this.#loosened.push(id);
  }
  /** The same region once more. */
  #again(id: number): Planned | undefined {
    const kept = this.#regions.get(id);
    if (!kept || this.#isReplaced(id)) return undefined;
    const heads = kept.region.entries.map((k) => kept.region.blocks[k]!).filter((b) => this.#finder.alive(b.at)).map(({ at, address }) => ({ at, address }));
    if (heads.length === 0 || heads.some((h) => this.#plannedBlocks.has(h.at))) return undefined;
    this.statistics.loosened++;
    return this.#planned(heads, () => undefined, [id], () => kept.remade, sizeOf(kept.region) > 500 ? MERGED : undefined);
  }
  #planned(heads: readonly { at: number; address: number }[], absorb: (number: number, room: Room) => Region | undefined, replaces: number[], remade: () => number, room?: Room): Planned {
    const region = this.#finder.find(heads, absorb, replaces, this.#plannedBlocks, room), id = this.#newId();
    this.#plannedIds.add(id);
    for (const b of region.blocks) if (!region.shared.has(b.at)) this.#plannedBlocks.add(b.at);
    return { id, region, remade: remade(), replaces };
  }
  /** What to translate for a hot block. */
  #plan(at: number, address: number): Planned {
    const heads = [{ at, address }], replaces: number[] = [], owner = this.#finder.owner(at), old = this.#regions.get(owner), mode = this.#m.u32[(at >> 2) + 2];
    let remade = 0;
    if (old && old.remade < MAX_REMADE && !this.#isReplaced(owner)) {
      // It is in a region that cannot be entered there: the same once more, with one more entry.
      remade = old.remade + 1;
      replaces.push(owner);
      for (const k of old.region.entries) {
        const b = old.region.blocks[k]!;
        if (b.at !== at) heads.push({ at: b.at, address: b.address });
      }
      this.statistics.remade++;
    }
    const absorb = (number: number, room: Room): Region | undefined => {
      const other = this.#regions.get(number);
      if (!other || other.remade >= MAX_REMADE || other.region.mode !== mode || other.region.blocks.length > room.blocks || this.#isReplaced(number)) return undefined;
      if (sizeOf(other.region) > room.instructions) return undefined;
      remade = Math.max(remade, other.remade + 1);
      replaces.push(number);
      this.statistics.absorbed++;
      return other.region;
    };
    return this.#planned(heads, absorb, replaces, () => remade, old && sizeOf(old.region) > 500 ? MERGED : undefined);
  }
  #isReplaced(id: number): boolean {
    for (const { planned } of this.#jobs.values()) if (planned.some((p) => p.replaces.includes(id))) return true;
    return false;
  }

  /** A job is done. @param first its module exports the regions from this number on */
  #arrived(product: Product, first = 0): void {
    const { u32 } = this.#m, job = this.#jobs.get(product.number), started = performance.now(), s = this.statistics;
    if (!job) return;
    this.#jobs.delete(product.number);
    this.#reclaim();
    for (const { id, region } of job.planned) {
      this.#plannedIds.delete(id);
      for (const b of region.blocks) this.#plannedBlocks.delete(b.at);
    }
    // Blocks of another filling of the arena: others may lie where they lay.
    if (job.flushes !== this.#flushes) { s.late += job.planned.length; return; }
    if (!product.module) {
      // From here on the interpreter has it all.
      this.failure = product.failure;
      u32[layout.JIT_THRESHOLD >> 2] = 0;
      return;
    }
    const { module } = product, { exports } = new WebAssembly.Instance(module, this.#imports), wasmBytes = Math.ceil(product.wasmBytes / job.planned.length);
    job.keys.forEach((key, i) => { this.#library?.put(this.#core.digest, key, { module, index: i, id: job.planned[i]!.id, entries: product.entries[i]!, wasmBytes }); });
    job.planned.forEach((planned, i) => {
      const { id, region, remade, replaces } = planned;
      if (!region.blocks.every((b) => this.#finder.alive(b.at))) {
        s.late++;
        for (const b of region.blocks) if (this.#finder.alive(b.at) && this.#finder.owner(b.at) === 0) this.#core.exports.countRuns(b.at);
        return;
      }
      for (const other of replaces) {
        const kept = this.#regions.get(other);
        if (kept) this.#kill(other, kept);
      }
      const slot = this.#freeSlots.pop() ?? this.#table.grow(1);
      this.#table.set(slot, exports[`r${first + i}`] as () => number);
      this.#regions.set(id, { region, slot, remade });
      this.#claim(id, region, product.entries[i]!);
      u32[(layout.JIT_REGIONS >> 2) + id] = slot;
      s.regions++;
    });
    s.modules++;
    s.instructions += product.instructions;
    s.spliced += product.spliced;
    s.wasmBytes += product.wasmBytes;
    s.translateMs += product.translateMs;
    s.compileMs += product.compileMs + performance.now() - started;
  }
  /** Note in the blocks to which region they belong, and put CASE_REGION before its entries. */
  #claim(id: number, region: Region, entryOf: Int32Array): void {
    const { u16 } = this.#m;
    region.blocks.forEach(({ at }, k) => {
      const h = at >> 1, entry = entryOf[k]!, owner = this.#finder.owner(at);
      // A block that another region owns stays with it, unless it became hot because nothing could be entered there.
      if (region.shared.has(at) || (owner !== 0 && (k !== 0 || entry < 0))) { this.#copy(at, id); return; }
      if (owner !== 0) this.#copy(at, owner);
      if (u16[h + 12] === 0) u16[h + 12] = u16[h + 16]!;
      u16[h + 13] = entry < 0 ? NO_ENTRY : entry;
      u16[h + 14] = id;
      u16[h + 15] = (u16[h + 15]! & SHARED) | this.#threshold;
      u16[h + 16] = entry === -2 ? u16[h + 12]! : entry < 0 ? CASE_COUNT : CASE_REGION;
    });
  }
  #copy(block: number, id: number): void {
    const ids = this.#copies.get(block);
    if (ids) ids.add(id);
    else this.#copies.set(block, new Set([id]));
    this.#m.u16[(block >> 1) + 15]! |= SHARED;
  }
  #newId(): number {
    while (this.#regions.size >= MAX_REGIONS) {
      const [id, kept] = this.#regions.entries().next().value!;
      this.#kill(id, kept);
      this.statistics.evicted++;
    }
    do this.#nextId = this.#nextId >= 0xffff ? 1 : this.#nextId + 1;
    while (this.#regions.has(this.#nextId) || this.#plannedIds.has(this.#nextId));
    return this.#nextId;
  }
  #kill(id: number, kept: Kept): void {
    this.#m.u32[(layout.JIT_REGIONS >> 2) + id] = 0;
    this.#forget(id, kept);
  }
  #forget(id: number, kept: Kept): void {
    for (const { at } of kept.region.blocks) {
      const copies = this.#copies.get(at);
      if (copies?.delete(id) && copies.size === 0) this.#copies.delete(at);
      if (this.#finder.alive(at) && this.#m.u16[(at + 28) >> 1] === id) this.#core.exports.countRuns(at);
    }
    this.#release(id, kept.slot);
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
      this.#copies.clear();
      this.#changes.clear();
      this.#crossed.clear();
      this.#apart.clear();
      return;
    }
    for (const [id, kept] of [...this.#regions]) if (u32[(layout.JIT_REGIONS >> 2) + id] === 0) {
      this.#forget(id, kept);
      this.statistics.dropped++;
    }
  }
}
