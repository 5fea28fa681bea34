import { BytewiseMemory, type UserMemory, VitrineError } from "../base/index.ts";
import type { AddressSpace, HostComputer } from "../host/index.ts";
import type { KvmVm } from "../kvm/uapi.ts";

const PAGE = 4096;
const DIGEST = 32;
/** The longest stretch that AddressSpace.runs() gives: 2 MiB. */
const LONGEST = 512;

/** The memory of the process that runs the machine, through its own page tables; it knows what it has written itself. */
export class ProcessMemory implements UserMemory {
  readonly pages: number;
  readonly #host: HostComputer;
  readonly #mm: AddressSpace;
  readonly #start: number;
  /** Digests of as many pages of zeros. */
  readonly #zeros = new Uint8Array(LONGEST * DIGEST);
  #written: Uint8Array;

  constructor(host: HostComputer, mm: AddressSpace, start: number, bytes: number) {
    this.#host = host;
    this.#mm = mm;
    this.#start = start;
    this.pages = bytes / PAGE;
    this.#written = new Uint8Array(Math.ceil(this.pages / 8));
    const zero = host.sha256([new Uint8Array(PAGE)]);
    for (let n = 0; n < LONGEST; n++) this.#zeros.set(zero, n * DIGEST);
  }

  /** Pages written through this object since the last call, one bit a page. */
  takeWritten(): Uint8Array {
    const was = this.#written;
    this.#written = new Uint8Array(was.length);
    return was;
  }

  /** Bytes at a virtual address, inside one page; undefined while no frame is there and the page holds zeros. */
  view(va: number, length: number): Uint8Array | undefined {
    const page = this.#mm.lookup(va);
    return page && this.#host.memory.bytes(page.pa + (va % page.size), length);
  }

  write(va: number, bytes: Uint8Array): void {
    const page = this.#mm.touch(va),
      n = Math.floor((va - this.#start) / PAGE);
    if (!page) return;
    this.#host.memory.write(page.pa + (va % page.size), bytes);
    this.#written[n >>> 3] = (this.#written[n >>> 3] ?? 0) | (1 << (n & 7));
  }

  readPage(page: number, into: Uint8Array): boolean {
    const va = this.#at(page),
      found = this.#mm.lookup(va);
    if (!found) return false;
    const pa = found.pa + (va % found.size);
    if (this.#host.isZero(pa)) return false;
    into.set(this.#host.memory.bytes(pa, PAGE));
    return true;
  }

  writePage(page: number, bytes: Uint8Array | null): void {
    const va = this.#at(page);
    if (bytes) {
      this.write(va, bytes.length === PAGE ? bytes : bytes.subarray(0, PAGE));
      return;
    }
    const found = this.#mm.lookup(va);
    if (found && !this.#host.isZero(found.pa + (va % found.size))) this.write(va, new Uint8Array(PAGE));
  }

  /** SHA-256 of the pages of [va, va + size) one after the other, as of the last freshening of digests. */
  digests(va: number, size: number, into: Uint8Array): void {
    let at = 0;
    this.#mm.runs(va, size, (pa, pages) => {
      into.set(pa < 0 ? this.#zeros.subarray(0, pages * DIGEST) : this.#host.digests.run(pa / PAGE, pages), at);
      at += pages * DIGEST;
    });
  }

  #at(page: number): number {
    if (!Number.isInteger(page) || page < 0 || page >= this.pages) {
      throw new VitrineError("memory", "page of user memory", String(page), `give 0 to ${this.pages - 1}`);
    }
    return this.#start + page * PAGE;
  }
}

/** Guest-physical memory as the process sees it: its own mapping, by slot. */
export class MappedMemory extends BytewiseMemory {
  readonly #vm: KvmVm;
  readonly #process: ProcessMemory;
  readonly #size: number;

  constructor(vm: KvmVm, process: ProcessMemory, size: number) {
    super();
    this.#vm = vm;
    this.#process = process;
    this.#size = size;
  }

  override get size(): number {
    return this.#size;
  }

  override read(gpa: number, bytes: Uint8Array): void {
    this.#pages(gpa, bytes.length, (va, from, n) => {
      const found = va < 0 ? undefined : this.#process.view(va, n);
      if (found) bytes.set(found, from);
      else bytes.fill(va < 0 ? 0xff : 0, from, from + n);
    });
  }

  override write(gpa: number, bytes: Uint8Array): void {
    this.#pages(gpa, bytes.length, (va, from, n) => {
      if (va >= 0) this.#process.write(va, bytes.subarray(from, from + n));
    });
  }

  #pages(gpa: number, length: number, use: (va: number, from: number, n: number) => void): void {
    for (let from = 0; from < length; ) {
      const at = gpa + from,
        n = Math.min(length - from, PAGE - (at % PAGE)),
        slot = this.#vm.space.slots.find(at);
      use(slot ? slot.hva + (at - slot.gpa) : -1, from, n);
      from += n;
    }
  }
}
