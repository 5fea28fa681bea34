import type { IrqLine, MmioDevice, MmioSize, PortDevice, PortSize, Saved } from "../../base/index.ts";
import { type Device, restoreFields, saveFields } from "./device.ts";

/*
 * pc-testdev, the device that kvm-unit-tests is written for (ranges as `info mtree` of QEMU shows them):
 *   E0h-E3h      a latch of 32 bits, by 1, 2 or 4 bytes     2000h-2017h  a line per ISA interrupt: not 0 raises it
 *   E4h-E7h      "unmap this page": write only, no effect   FF000000h    64 KiB of device memory
 *   E8h-EBh      the same latch, always byte by byte
 */
const latchPort = 0xe0;
const bytePort = 0xe8;
const linePort = 0x2000;
const isaLines = 16;
/** Base and length of the port ranges; the last one is split into bytes on its way here. */
export const testPorts = [
  [latchPort, 8, 4],
  [linePort, 24, 4],
  [bytePort, 4, 1],
] as const;
export const testMemory = { base: 0xff000000, size: 0x10000 } as const;

type TestFields = { latch: number; lines: number; memory: Uint8Array };

function powerOn(): TestFields {
  return { latch: 0, lines: 0, memory: new Uint8Array(testMemory.size) };
}

export class PcTestdev implements PortDevice, MmioDevice, Device {
  readonly id = "pc-testdev";
  readonly version = 1;
  readonly #irqs: readonly IrqLine[];
  #r = powerOn();

  /** @param irqs the 16 ISA interrupt lines */
  constructor(irqs: readonly IrqLine[]) {
    this.#irqs = irqs;
  }

  portRead(port: number, size: PortSize): number {
    if (port >= linePort || (port & 0xfc) === 0xe4) return 0;
    return ((this.#r.latch >>> (8 * (port & 3))) & mask(size)) >>> 0;
  }

  portWrite(port: number, size: PortSize, value: number): void {
    const r = this.#r;
    if (port >= linePort) {
      const line = port - linePort;
      if (line >= isaLines) return;
      r.lines = value === 0 ? r.lines & ~(1 << line) : r.lines | (1 << line);
      this.#drive();
    } else if ((port & 0xfc) !== 0xe4) {
      const at = 8 * (port & 3), m = mask(size) << at;
      r.latch = ((r.latch & ~m) | ((value << at) & m)) >>> 0;
    }
  }

  mmioRead(offset: number, size: MmioSize): bigint | number {
    const view = this.#view();
    if (size === 8) return view.getBigUint64(offset, true);
    return size === 4 ? view.getUint32(offset, true) : size === 2 ? view.getUint16(offset, true) : view.getUint8(offset);
  }

  mmioWrite(offset: number, size: MmioSize, value: number | bigint): void {
    const view = this.#view();
    if (size === 8) view.setBigUint64(offset, BigInt(value), true);
    else if (size === 4) view.setUint32(offset, Number(value), true);
    else if (size === 2) view.setUint16(offset, Number(value), true);
    else view.setUint8(offset, Number(value));
  }

  reset(): void {
    this.#r = powerOn();
    this.#drive();
  }

  save(): Saved {
    return saveFields(this.#r);
  }

  restore(state: Saved): void {
    this.#r = restoreFields(this.id, powerOn(), state, { latch: 0xffffffff, lines: 0xffff });
    this.#drive();
  }

  #view(): DataView {
    const { memory } = this.#r;
    return new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
  }

  #drive(): void {
    this.#irqs.forEach((irq, line) => {
      irq.set(((this.#r.lines >>> line) & 1) === 1);
    });
  }
}

function mask(size: PortSize): number {
  return size === 4 ? -1 : (1 << (8 * size)) - 1;
}
