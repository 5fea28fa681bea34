import { type Core, layout } from "../hw/index.ts";

/**
 * Host physical memory as the kernel's direct mapping shows it: every address is a host-physical one, and every write
 * tells the processor, so that decoded code and frame marks follow ("Physical memory" in the contracts).
 */
export class HostMemory {
  readonly size: number;
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
    this.size = core.ramBytes;
  }

  read32(pa: number): number {
    return this.#core.u32[(layout.RAM + pa) / 4] ?? 0;
  }
  read64(pa: number): bigint {
    return this.#core.u64[(layout.RAM + pa) / 8] ?? 0n;
  }

  write32(pa: number, value: number): void {
    this.#core.exports.written(layout.RAM + pa, 4);
    this.#core.u32[(layout.RAM + pa) / 4] = value;
  }

  write64(pa: number, value: bigint): void {
    this.#core.exports.written(layout.RAM + pa, 8);
    this.#core.u64[(layout.RAM + pa) / 8] = value;
  }

  /** A little-endian number of 1 to 8 bytes inside one page. */
  load(pa: number, size: number): bigint {
    const at = layout.RAM + pa,
      { view } = this.#core;
    if (size === 4) return BigInt(view.getUint32(at, true));
    if (size === 8) return view.getBigUint64(at, true);
    if (size === 1) return BigInt(view.getUint8(at));
    if (size === 2) return BigInt(view.getUint16(at, true));
    let v = 0n;
    for (let i = size - 1; i >= 0; i--) v = (v << 8n) | BigInt(view.getUint8(at + i));
    return v;
  }

  /** The same for sizes 1, 2 and 4, as a number. */
  loadSmall(pa: number, size: 1 | 2 | 4): number {
    const at = layout.RAM + pa,
      { view } = this.#core;
    return size === 4 ? view.getUint32(at, true) : size === 2 ? view.getUint16(at, true) : view.getUint8(at);
  }

  /** The bytes themselves, for reading. */
  bytes(pa: number, length: number): Uint8Array {
    return this.#core.u8.subarray(layout.RAM + pa, layout.RAM + pa + length);
  }

  write(pa: number, bytes: Uint8Array): void {
    this.#core.exports.written(layout.RAM + pa, bytes.length);
    this.#core.u8.set(bytes, layout.RAM + pa);
  }

  clear(pa: number, length: number): void {
    this.#core.exports.written(layout.RAM + pa, length);
    this.#core.u8.fill(0, layout.RAM + pa, layout.RAM + pa + length);
  }
}
