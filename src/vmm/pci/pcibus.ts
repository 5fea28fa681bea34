import type { PortDevice, PortSize, Saved } from "../../base/index.ts";
import { unassigned } from "../bus.ts";
import { type Device, restoreFields, saveFields } from "../devices/device.ts";
import type { PciFunction } from "./function.ts";

/*
 * Configuration mechanism #1 (PCI Local Bus Specification 3.0, 3.2.2.3.2). CF8h takes dwords only:
 *    31      30-24     23-16    15-11     10-8       7-2       1-0
 *   enable | reserved | bus  | device | function | register |  as QEMU: added to the data port's
 */
export const configAddressPort = 0xcf8;
export const configDataPort = 0xcfc;

/** Bus 0 behind ports CF8h-CFFh. */
export class PciBus implements PortDevice, Device {
  readonly id = "pci";
  readonly version = 1;
  readonly #functions = new Map<number, PciFunction>();
  #r = { address: 0 };

  /** Puts a function at device.function of bus 0. */
  plug(device: number, fn: number, pciFunction: PciFunction): void {
    this.#functions.set((device << 3) | fn, pciFunction);
  }

  at(device: number, fn: number): PciFunction | undefined {
    return this.#functions.get((device << 3) | fn);
  }

  portRead(port: number, size: PortSize): number {
    if (port < configDataPort) return size === 4 ? this.#r.address : unassigned(size);
    return this.#selected()?.configRead(this.#register(port), size) ?? unassigned(size);
  }

  portWrite(port: number, size: PortSize, value: number): void {
    if (port >= configDataPort) this.#selected()?.configWrite(this.#register(port), size, value);
    else if (size === 4) this.#r.address = (value & 0x80ffffff) >>> 0;
  }

  reset(): void {
    this.#r.address = 0;
  }

  save(): Saved {
    return saveFields(this.#r);
  }

  restore(state: Saved): void {
    this.#r = restoreFields(this.id, { address: 0 }, state, { address: 0xffffffff });
  }

  #register(port: number): number {
    return (this.#r.address & 0xff) | (port & 3);
  }

  #selected(): PciFunction | undefined {
    const { address } = this.#r;
    const onBus0 = address >= 0x80000000 && ((address >> 16) & 0xff) === 0;
    return onBus0 ? this.#functions.get((address >> 8) & 0xff) : undefined;
  }
}
