import type { MmioDevice, PortDevice, Saved } from "../../base/index.ts";
import { SavedRecord } from "../../base/index.ts";
import type { MachineBus, Mapping } from "../bus.ts";
import type { Device } from "../devices/device.ts";

/*
 * Type 0 configuration header (PCI Local Bus Specification 3.0, 6.1):
 *   00 vendor | 02 device | 04 command | 06 status | 08 revision | 09 class (3) | 0C line | 0D latency | 0E header
 *   10-27 base addresses  | 2C subsystem vendor | 2E subsystem | 34 capabilities | 3C interrupt line | 3D pin
 */
export const Config = {
  vendor: 0x00,
  device: 0x02,
  command: 0x04,
  status: 0x06,
  revision: 0x08,
  classCode: 0x09,
  headerType: 0x0e,
  bar0: 0x10,
  subsystemVendor: 0x2c,
  subsystem: 0x2e,
  capabilities: 0x34,
  interruptLine: 0x3c,
  interruptPin: 0x3d,
} as const;

const Command = { io: 1, memory: 2 } as const;
const writableCommand = 0x0547;

export interface Identity {
  vendor: number;
  device: number;
  revision: number;
  /** Base class, subclass, interface: 0x060000 is a host bridge. */
  classCode: number;
  /** 1 = INTA .. 4 = INTD; 0 where the function has none. */
  interruptPin?: number;
  multifunction?: boolean;
}

/** A base address register: size is a power of two, at least 4 for ports and 16 for memory. */
export type Bar =
  | { kind: "io"; index: number; size: number; device: PortDevice }
  | { kind: "memory"; index: number; size: number; device: MmioDevice };

/** One PCI function: configuration space with a write mask, and base addresses that follow what is written. */
export abstract class PciFunction implements Device {
  abstract readonly id: string;
  readonly version = 1;
  protected readonly config = new Uint8Array(256);
  readonly #mask = new Uint8Array(256).fill(0xff, 0x40);
  readonly #initial: Uint8Array;
  readonly #bus: MachineBus;
  readonly #bars: Bar[] = [];
  readonly #mapped = new Map<Bar, Mapping>();

  constructor(bus: MachineBus, identity: Identity) {
    this.#bus = bus;
    this.#initial = new Uint8Array(256);
    const view = new DataView(this.#initial.buffer);
    view.setUint16(Config.vendor, identity.vendor, true);
    view.setUint16(Config.device, identity.device, true);
    view.setUint8(Config.revision, identity.revision);
    view.setUint16(Config.classCode, identity.classCode & 0xffff, true);
    view.setUint8(Config.classCode + 2, identity.classCode >> 16);
    view.setUint8(Config.headerType, identity.multifunction ? 0x80 : 0);
    // Firmware recognises the machine by the host bridge's subsystem.
    view.setUint16(Config.subsystemVendor, 0x1af4, true);
    view.setUint16(Config.subsystem, 0x1100, true);
    view.setUint8(Config.interruptPin, identity.interruptPin ?? 0);
    new DataView(this.#mask.buffer).setUint16(Config.command, writableCommand, true);
    this.#mask[0x0c] = 0xff;
    this.#mask[Config.interruptLine] = 0xff;
    this.config.set(this.#initial);
  }

  configRead(offset: number, size: 1 | 2 | 4): number {
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + (this.config[(offset + i) & 0xff] ?? 0);
    return value;
  }

  configWrite(offset: number, size: 1 | 2 | 4, value: number): void {
    for (let i = 0; i < size; i++) {
      const at = (offset + i) & 0xff;
      const mask = this.#mask[at] ?? 0;
      this.config[at] = ((this.config[at] ?? 0) & ~mask) | ((value >>> (8 * i)) & mask);
    }
    this.#remap();
    this.configChanged(offset, size);
  }

  reset(): void {
    this.config.set(this.#initial);
    this.#remap();
    this.configChanged(0, 256);
  }

  save(): Saved {
    return { config: this.config.slice() };
  }

  restore(state: Saved): void {
    this.config.set(new SavedRecord(this.id, state).bytes("config", 256));
    this.#remap();
    this.configChanged(0, 256);
  }

  /** Called after configuration bytes changed. */
  protected configChanged(_offset: number, _size: number): void {}

  /** Sets a register's power-on value and which of its bits software may change. */
  protected define(offset: number, value: number, mask: number): void {
    this.#initial[offset] = value;
    this.config[offset] = value;
    this.#mask[offset] = mask;
  }

  protected addBar(bar: Bar): void {
    const at = Config.bar0 + 4 * bar.index;
    const mask = ~(bar.size - 1) >>> 0;
    new DataView(this.#mask.buffer).setUint32(at, mask, true);
    this.define(at, bar.kind === "io" ? 1 : 0, mask & 0xff);
    this.#bars.push(bar);
  }

  #remap(): void {
    const command = this.configRead(Config.command, 2);
    for (const bar of this.#bars) {
      const address = (this.configRead(Config.bar0 + 4 * bar.index, 4) & ~(bar.size - 1)) >>> 0;
      const enabled = (command & (bar.kind === "io" ? Command.io : Command.memory)) !== 0;
      const limit = bar.kind === "io" ? 0x10000 : 0x100000000;
      const visible = enabled && address !== 0 && address + bar.size < limit;
      const now = this.#mapped.get(bar);
      if (visible && now?.base === address) continue;
      if (now) this.#unmap(bar, now);
      if (!visible) continue;
      const mapping =
        bar.kind === "io"
          ? this.#bus.ports.map(address, bar.size, bar.device, { width: 4, priority: -1 })
          : this.#bus.mmio.map(address, bar.size, bar.device, { width: 8, priority: -1 });
      this.#mapped.set(bar, mapping);
    }
  }

  #unmap(bar: Bar, mapping: Mapping): void {
    if (bar.kind === "io") this.#bus.ports.unmap(mapping);
    else this.#bus.mmio.unmap(mapping);
    this.#mapped.delete(bar);
  }
}
