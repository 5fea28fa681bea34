// Which decoded blocks make up a region: those that a hot block reaches by direct branches and that run often themselves.
import { layout } from "../layout.ts";
import type { Stencils } from "./stencils.ts";

const MAX_BLOCKS = 64;
const MAX_INSTRUCTIONS = 500;
/** Blocks up to this length are copied into a region when they belong to another. */
const MAX_SHARED = 6;
const DEAD = 0x7fffffff;
const CASE_COUNT = 6, CASE_REGION = 7;
/** Translated code of its page was lost too often (src/hw/cpu/blocks.ts). */
const RESTLESS = 0x4000;

/** Linear memory of a core, as the translator reads it. */
export interface Memory { readonly u8: Uint8Array; readonly u16: Uint16Array; readonly u32: Uint32Array; readonly view: DataView }

/** A direct branch of a block. */
export interface Edge {
  /** Record that branches; the NEXT record when execution runs out of the block. */
  readonly record: number;
  /** Offset of the target from the start of the block's page. */
  readonly target: number;
  /** The block there, -1 when it is not part of the region. */
  to: number;
}
export interface Block {
  readonly at: number;
  /** Linear address of its first instruction when it was found, signed. */
  readonly address: number;
  readonly page: number;
  readonly n: number;
  /** Each of its accesses asks for itself: together they would cross into another page. */
  readonly apart: boolean;
  readonly edges: Edge[];
}
/** What a region may still take in. */
export interface Room { readonly blocks: number; readonly instructions: number }
/** What a region that takes the place of several may take in. */
export const MERGED: Room = { blocks: 256, instructions: 2000 };
export interface Region {
  readonly mode: number;
  readonly blocks: readonly Block[];
  readonly entries: readonly number[];
  /** Blocks that belong to another region, by address, and are copied. */
  readonly shared: ReadonlySet<number>;
}

/** Instructions of a region. */
export const sizeOf = (region: Region): number => region.blocks.reduce((n, b) => n + b.n, 0);
/** The case of a record that is not a block's first. */
const caseOf = (m: Memory, record: number): number => m.u16[record >> 1]!;
/** The decoded case of a block's record `i`. */
export function decodedCase(m: Memory, block: number, i: number): number {
  return (i === 0 && m.u16[(block + 24) >> 1]!) || caseOf(m, block + 32 + i * 16);
}

/** The decoded block at a physical address, 0 when there is none (src/hw/cpu/blocks.ts). */
export function findBlock(m: Memory, pa: number, mode: number): number {
  const hash = ((pa >>> 3) ^ (pa >>> 19) ^ (mode << 12)) & 0xffff;
  let b = m.u32[(layout.BLOCK_HASH >> 2) + hash]!;
  while (b !== 0 && (m.u32[(b >> 2) + 1] !== pa || m.u32[(b >> 2) + 2] !== mode)) b = m.u32[(b >> 2) + 4]!;
  return b;
}
/** The block that the jump cache has for a linear address, 0 when none. The address is a signed number: canonical ones are exact. */
function cachedBlock(m: Memory, address: number, mode: number): number {
  const high = Math.floor(address / 0x100000000), low = address - high * 0x100000000;
  const e = (layout.JUMP_CACHE + ((low ^ Math.floor(low / 4096)) & layout.JUMP_MASK) * 16) >> 2;
  if (m.u32[e] !== low || m.u32[e + 1] !== high >>> 0 || m.u32[e + 2]! >>> 12 !== mode) return 0;
  return m.u32[e + 3]!;
}

export class RegionFinder {
  readonly #m: Memory;
  readonly #stencils: Stencils;
  /** Blocks whose accesses ask each for itself. */
  readonly #apart: ReadonlySet<number>;
  constructor(memory: Memory, stencils: Stencils, apart: ReadonlySet<number>) {
    this.#m = memory;
    this.#stencils = stencils;
    this.#apart = apart;
  }

  alive(b: number): boolean { return b !== 0 && this.#m.u32[b >> 2] !== DEAD; }
  /** Region that a block belongs to, 0 for none. */
  owner(b: number): number {
    const region = this.#m.u16[(b + 28) >> 1]!;
    return region !== 0 && this.#m.u32[(layout.JIT_REGIONS >> 2) + region] !== 0 ? region : 0;
  }
  #warm(b: number): boolean {
    const threshold = this.#m.u32[layout.JIT_THRESHOLD >> 2]!;
    if (this.#m.u16[(b + 32) >> 1] !== CASE_COUNT) return true;
    return threshold - (this.#m.u16[(b + 30) >> 1]! & 0x7fff) >= threshold >> 3;
  }
  #block(b: number, address: number): Block {
    const m = this.#m, n = m.u32[b >> 2]!, edges: Edge[] = [];
    for (let i = 0; i < n; i++) {
      const record = b + 32 + i * 16;
      if (this.#stencils.branches(decodedCase(m, b, i))) edges.push({ record, target: m.view.getInt32(record + 12, true), to: -1 });
    }
    const next = b + 32 + n * 16;
    edges.push({ record: next, target: m.view.getInt32(next + 12, true), to: -1 });
    return { at: b, address, page: address - (m.u32[(b >> 2) + 1]! & 0xfff), n, apart: this.#apart.has(b), edges };
  }

  /** @param heads blocks with their linear addresses; the first is the one that is hot.
   *  @param absorb gives up a region that a branch leads to, if it may: its blocks are added.
   *  @param gone regions that the new one takes the place of; absorb() adds to them.
   *  @param planned blocks that other regions will own soon
   *  @param room how large it may become */
  find(heads: readonly { at: number; address: number }[], absorb: (region: number, room: Room) => Region | undefined, gone: readonly number[], planned: ReadonlySet<number>, room: Room = { blocks: MAX_BLOCKS, instructions: MAX_INSTRUCTIONS }): Region {
    const m = this.#m, first = heads[0]!, mode = m.u32[(first.at >> 2) + 2]!, blocks: Block[] = [], index = new Map<number, number>(), entries: number[] = [], shared = new Set<number>();
    let instructions = 0;
    const add = (at: number, address: number): number => {
      const known = index.get(at);
      if (known !== undefined) return known;
      const n = m.u32[at >> 2]!;
      if (blocks.length >= room.blocks || instructions + n > room.instructions) return -1;
      instructions += n;
      index.set(at, blocks.length);
      blocks.push(this.#block(at, address));
      return blocks.length - 1;
    };
    const ownerOf = (at: number): number => {
      const owner = this.owner(at);
      return gone.includes(owner) ? 0 : owner;
    };
    /** Is a block at the end of a branch taken in? */
    const takes = (at: number): boolean => {
      if (index.has(at)) return true;
      if (m.u16[(at + 30) >> 1]! & RESTLESS) return false;
      const owner = ownerOf(at), taken = planned.has(at), small = m.u32[at >> 2]! <= MAX_SHARED;
      if (owner === 0 && !taken) return this.#warm(at);
      if (!small && owner !== 0 && !taken) {
        const other = absorb(owner, { blocks: room.blocks - blocks.length, instructions: room.instructions - instructions });
        if (other) {
          other.blocks.forEach((b, i) => {
            if (other.shared.has(b.at)) return;
            const now = add(b.at, b.address);
            if (now >= 0 && other.entries.includes(i) && !entries.includes(now)) entries.push(now);
          });
          return true;
        }
      }
      // A copy: of what is small, and of what another region cannot be entered at.
      if (!small && (taken || m.u16[(at + 32) >> 1] === CASE_REGION || !this.#warm(at))) return false;
      shared.add(at);
      return true;
    };
    for (const h of heads) {
      const i = add(h.at, h.address);
      if (i >= 0) entries.push(i);
    }
    for (let i = 0; i < blocks.length; i++) {
      const block = blocks[i]!, last = block.edges.length - 1;
      for (const [k, edge] of block.edges.entries()) {
        const behind = k === last && this.#leaves(block), { at, address } = this.#target(block, edge, mode);
        if (at === 0 || !this.alive(at) || !takes(at)) continue;
        const to = add(at, address);
        if (to < 0) continue;
        if (!behind) edge.to = to;
        else if (!entries.includes(to)) entries.push(to);
      }
    }
    return { mode, blocks, entries, shared };
  }
  /** Does a block's last record never run into the next one: a jump, a call, or what the interpreter does? Where a call
   *  comes back is an entry. */
  #leaves(block: Block): boolean {
    const number = decodedCase(this.#m, block.at, block.n - 1);
    return this.#stencils.returns(number) || this.#stencils.branches(number) || this.#stencils.stencil(number) === undefined;
  }
  #target(block: Block, edge: Edge, mode: number): { at: number; address: number } {
    const m = this.#m, address = block.page + edge.target;
    if (edge.target >= 0 && edge.target < 4096) {
      const pa = ((m.u32[(block.at >> 2) + 1]! & ~0xfff) >>> 0) + edge.target;
      // Outside 64-bit mode a branch is asked for its limits when it is linked: one that never was stays outside.
      const next = edge === block.edges[block.edges.length - 1];
      if (!(mode & layout.MODE_L) && !next && m.u32[(edge.record + 8) >> 2] === 0) return { at: 0, address };
      return { at: findBlock(m, pa, mode), address };
    }
    const cached = cachedBlock(m, address, mode);
    if (cached !== 0) return { at: cached, address };
    // Most often the next page lies where it did when it was read in. Translated code looks before it goes there.
    const pa = m.u32[(block.at >> 2) + 1]! - (m.u32[(block.at >> 2) + 1]! & 0xfff) + edge.target;
    return { at: pa > 0 && pa < 0x100000000 ? findBlock(m, pa >>> 0, mode) : 0, address };
  }
}
