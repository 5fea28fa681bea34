import { type MmioDevice, type MmioSize, type MmioValue, mmioValue, type PortDevice, type PortSize } from "../base/index.ts";
import type { IoBus } from "./accel.ts";

/** What is mapped where. Between overlapping ranges the higher priority wins, then the later one. */
export interface Mapping {
  readonly base: number;
  readonly size: number;
}

interface PortMapping extends Mapping {
  readonly device: PortDevice;
  readonly width: PortSize;
  readonly priority: number;
}

interface MmioMapping extends Mapping {
  readonly device: MmioDevice;
  readonly width: MmioSize;
  readonly priority: number;
}

export interface PortOptions {
  /** The widest access the device takes; wider ones are split into such, low address first. */
  width?: PortSize;
  priority?: number;
}

export interface MmioOptions {
  width?: MmioSize;
  priority?: number;
}

const ones = 0xffffffff;

/** The 64 Ki I/O ports. Nobody there: reads give ones, writes are dropped. */
export class PortSpace {
  readonly #mappings: PortMapping[] = [];
  readonly #table: (PortMapping | undefined)[] = new Array<PortMapping | undefined>(0x10000).fill(undefined);

  map(base: number, size: number, device: PortDevice, options: PortOptions = {}): Mapping {
    const mapping = { base, size, device, width: options.width ?? 1, priority: options.priority ?? 0 };
    this.#mappings.push(mapping);
    this.#rebuild(base, size);
    return mapping;
  }

  unmap(mapping: Mapping): void {
    const i = this.#mappings.indexOf(mapping as PortMapping);
    if (i < 0) return;
    this.#mappings.splice(i, 1);
    this.#rebuild(mapping.base, mapping.size);
  }

  /**
   * The device at the first byte answers the whole access when it reaches that far; otherwise the access falls
   * apart into bytes. So CF8h as four bytes is the PCI address although CF9h as a byte is the reset register.
   */
  read(port: number, size: PortSize): number {
    const m = this.#table[port & 0xffff];
    const within = m !== undefined && port + size <= m.base + m.size;
    if (within && size <= m.width) return m.device.portRead(port, size) >>> 0;
    const part = within ? m.width : 1;
    if (size === 1) return 0xff;
    let value = 0;
    for (let i = 0; i < size; i += part) value |= this.read((port + i) & 0xffff, part) << (8 * i);
    return value >>> 0;
  }

  write(port: number, size: PortSize, value: number): void {
    const m = this.#table[port & 0xffff];
    const within = m !== undefined && port + size <= m.base + m.size;
    if (within && size <= m.width) {
      m.device.portWrite(port, size, (size === 4 ? value : value & (2 ** (8 * size) - 1)) >>> 0);
      return;
    }
    const part = within ? m.width : 1;
    if (size === 1) return;
    for (let i = 0; i < size; i += part) this.write((port + i) & 0xffff, part, value >>> (8 * i));
  }

  #rebuild(base: number, size: number): void {
    for (let port = base; port < base + size; port++) {
      let best: PortMapping | undefined;
      for (const m of this.#mappings) {
        if (port >= m.base && port < m.base + m.size && (!best || m.priority >= best.priority)) best = m;
      }
      this.#table[port] = best;
    }
  }
}

/** Registers in memory. Nobody there: reads give ones, writes are dropped. */
export class MmioSpace {
  #mappings: MmioMapping[] = [];
  /** The one that answered last: a guest that polls asks it again. */
  #last: MmioMapping | undefined;

  map(base: number, size: number, device: MmioDevice, options: MmioOptions = {}): Mapping {
    const mapping = { base, size, device, width: options.width ?? 4, priority: options.priority ?? 0 };
    // Ordered by priority, latest first among equals: the first that contains the address answers.
    this.#mappings = [mapping, ...this.#mappings].sort((a, b) => b.priority - a.priority);
    this.#last = undefined;
    return mapping;
  }

  unmap(mapping: Mapping): void {
    this.#mappings = this.#mappings.filter((m) => m !== mapping);
    this.#last = undefined;
  }

  read(gpa: number, size: MmioSize): MmioValue {
    const m = this.#find(gpa);
    const within = m !== undefined && gpa + size <= m.base + m.size;
    if (within && size <= m.width) return mmioValue(m.device.mmioRead(gpa - m.base, size), size);
    const part = within ? m.width : 1;
    if (size === 1) return 0xff;
    let value = 0n;
    for (let i = 0; i < size; i += part) value |= BigInt(this.read(gpa + i, part)) << BigInt(8 * i);
    return mmioValue(value, size);
  }

  write(gpa: number, size: MmioSize, value: MmioValue): void {
    const m = this.#find(gpa);
    const within = m !== undefined && gpa + size <= m.base + m.size;
    if (within && size <= m.width) {
      m.device.mmioWrite(gpa - m.base, size, mmioValue(value, size));
      return;
    }
    const part = within ? m.width : 1;
    if (size === 1) return;
    for (let i = 0; i < size; i += part) this.write(gpa + i, part, BigInt(value) >> BigInt(8 * i));
  }

  #find(gpa: number): MmioMapping | undefined {
    const last = this.#last;
    if (last !== undefined && gpa >= last.base && gpa < last.base + last.size) return last;
    for (const m of this.#mappings) {
      if (gpa < m.base || gpa >= m.base + m.size) continue;
      // Only where nothing lies over it: what is asked first is then the one that answers.
      if (this.#mappings.every((o) => o === m || o.base >= m.base + m.size || m.base >= o.base + o.size)) this.#last = m;
      return m;
    }
    return undefined;
  }
}

/** Both address spaces, in the shape the accelerator calls. */
export class MachineBus implements IoBus {
  readonly ports = new PortSpace();
  readonly mmio = new MmioSpace();

  portRead(port: number, size: PortSize): number {
    return this.ports.read(port, size);
  }

  portWrite(port: number, size: PortSize, value: number): void {
    this.ports.write(port, size, value);
  }

  mmioRead(gpa: number, size: MmioSize): MmioValue {
    return this.mmio.read(gpa, size);
  }

  mmioWrite(gpa: number, size: MmioSize, value: MmioValue): void {
    this.mmio.write(gpa, size, value);
  }
}

/** All ones for an access of that many bytes. */
export function unassigned(size: PortSize): number {
  return size === 4 ? ones : 2 ** (8 * size) - 1;
}
