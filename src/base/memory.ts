/**
 * Guest physical memory as user space sees it. Reads of unbacked addresses give ones, writes there are dropped.
 * A write reaches read-only regions too (a loader fills ROM); it goes through the accelerator's one physWrite, so
 * decoded code is invalidated and the page is marked dirty.
 */
export interface GuestMemory {
  /** Bytes of RAM the machine was made with. */
  readonly size: number;
  read(gpa: number, bytes: Uint8Array): void;
  write(gpa: number, bytes: Uint8Array): void;
  readU8(gpa: number): number;
  readU16(gpa: number): number;
  readU32(gpa: number): number;
  readU64(gpa: number): bigint;
  writeU8(gpa: number, v: number): void;
  writeU16(gpa: number, v: number): void;
  writeU32(gpa: number, v: number): void;
  writeU64(gpa: number, v: bigint): void;
}

/** The typed accessors over read and write, for implementations that only have those two. */
export abstract class BytewiseMemory implements GuestMemory {
  abstract readonly size: number;
  readonly #bytes = new Uint8Array(8);
  readonly #view = new DataView(this.#bytes.buffer);
  readonly #parts = [1, 2, 4, 8].map((n) => this.#bytes.subarray(0, n));

  abstract read(gpa: number, bytes: Uint8Array): void;
  abstract write(gpa: number, bytes: Uint8Array): void;

  readU8(gpa: number): number {
    return this.#load(gpa, 0).getUint8(0);
  }

  readU16(gpa: number): number {
    return this.#load(gpa, 1).getUint16(0, true);
  }

  readU32(gpa: number): number {
    return this.#load(gpa, 2).getUint32(0, true);
  }

  readU64(gpa: number): bigint {
    return this.#load(gpa, 3).getBigUint64(0, true);
  }

  writeU8(gpa: number, v: number): void {
    this.#view.setUint8(0, v);
    this.#store(gpa, 0);
  }

  writeU16(gpa: number, v: number): void {
    this.#view.setUint16(0, v, true);
    this.#store(gpa, 1);
  }

  writeU32(gpa: number, v: number): void {
    this.#view.setUint32(0, v, true);
    this.#store(gpa, 2);
  }

  writeU64(gpa: number, v: bigint): void {
    this.#view.setBigUint64(0, v, true);
    this.#store(gpa, 3);
  }

  #load(gpa: number, log2: number): DataView {
    this.read(gpa, this.#parts[log2] as Uint8Array);
    return this.#view;
  }

  #store(gpa: number, log2: number): void {
    this.write(gpa, this.#parts[log2] as Uint8Array);
  }
}

/** A test double: one array from address 0, unbacked above. */
export class ArrayMemory extends BytewiseMemory {
  readonly bytes: Uint8Array;

  constructor(size: number) {
    super();
    this.bytes = new Uint8Array(size);
  }

  override get size(): number {
    return this.bytes.length;
  }

  override read(gpa: number, bytes: Uint8Array): void {
    bytes.fill(0xff);
    if (gpa < this.size) bytes.set(this.bytes.subarray(gpa, gpa + bytes.length));
  }

  override write(gpa: number, bytes: Uint8Array): void {
    if (gpa < this.size) this.bytes.set(bytes.subarray(0, this.size - gpa), gpa);
  }
}

/** Copies `length` bytes out of guest memory. The caller bounds length. */
export function readBytes(memory: GuestMemory, gpa: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  memory.read(gpa, bytes);
  return bytes;
}
