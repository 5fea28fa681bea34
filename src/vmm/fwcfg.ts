import type { PortDevice, PortSize, Saved } from "../base/index.ts";
import { unassigned } from "./bus.ts";
import { type Device, restoreFields, saveFields } from "./devices/device.ts";
import { type GuestMemory, readBytes } from "./memory.ts";

/*
 * QEMU Firmware Configuration Device (QEMU documentation, "fw_cfg"). A selector picks an item, the data port
 * streams its bytes, the DMA register takes the address of a request:
 *   510h word   selector (write)            511h byte   data
 *   514h dword  DMA address high, big endian             518h dword  low; writing it starts the transfer
 *   request in memory, big endian: control (4) | length (4) | address (8)
 *   control: 0 error, 1 read, 2 skip, 3 select (key in bits 31-16), 4 write
 */
export const selectorPort = 0x510;
const dataPort = 0x511;
const dmaPort = 0x514;
const Control = { error: 1, read: 2, skip: 4, select: 8, write: 16 } as const;

export const FwCfgKey = {
  signature: 0x00,
  id: 0x01,
  ramSize: 0x03,
  noGraphic: 0x04,
  nbCpus: 0x05,
  kernelAddress: 0x07,
  kernelSize: 0x08,
  initrdAddress: 0x0a,
  initrdSize: 0x0b,
  bootMenu: 0x0e,
  maxCpus: 0x0f,
  kernelEntry: 0x10,
  kernelData: 0x11,
  initrdData: 0x12,
  commandLineAddress: 0x13,
  commandLineSize: 0x14,
  commandLineData: 0x15,
  setupAddress: 0x16,
  setupSize: 0x17,
  setupData: 0x18,
  fileDirectory: 0x19,
  irq0Override: 0x8002,
} as const;

const firstFile = 0x20;
const maxFiles = 0x100;
const maxName = 55;
const chunk = 0x10000;

type Registers = { key: number; offset: number; addressHigh: number };

const limits = { key: 0xffff, offset: 0xffffffff, addressHigh: 0xffffffff };

export class FwCfg implements PortDevice, Device {
  readonly id = "fw-cfg";
  readonly version = 1;
  readonly #memory: GuestMemory;
  readonly #items = new Map<number, Uint8Array>();
  readonly #files: { name: string; key: number }[] = [];
  #r: Registers = { key: 0, offset: 0, addressHigh: 0 };

  constructor(memory: GuestMemory) {
    this.#memory = memory;
    this.add(FwCfgKey.signature, new TextEncoder().encode("QEMU"));
    this.addNumber(FwCfgKey.id, 4, 3);
    this.#writeDirectory();
  }

  add(key: number, bytes: Uint8Array): void {
    this.#items.set(key, bytes);
  }

  /** A little-endian number of 2, 4 or 8 bytes. */
  addNumber(key: number, size: 2 | 4 | 8, value: number): void {
    this.add(key, littleEndian(size, value));
  }

  /** A named file; the name has at most 55 characters. Adding a name again replaces its content. */
  addFile(name: string, bytes: Uint8Array): void {
    const known = this.#files.find((f) => f.name === name);
    const key = known?.key ?? firstFile + this.#files.length;
    if (!known && (this.#files.length >= maxFiles || name.length > maxName)) return;
    if (!known) this.#files.push({ name, key });
    this.add(key, bytes);
    this.#writeDirectory();
  }

  portRead(port: number, size: PortSize): number {
    if (port === dataPort && size === 1) return this.#next();
    // Read back, the DMA register shows "QEMU CFG".
    if (port === dmaPort && size === 4) return 0x554d4551;
    if (port === dmaPort + 4 && size === 4) return 0x47464320;
    return port === selectorPort ? 0 : unassigned(size);
  }

  portWrite(port: number, size: PortSize, value: number): void {
    if (port === selectorPort && size === 2) this.#select(value);
    else if (port === dmaPort && size === 4) this.#r.addressHigh = swap32(value);
    else if (port === dmaPort + 4 && size === 4) this.#dma(swap32(value));
  }

  reset(): void {
    this.#r = { key: 0, offset: 0, addressHigh: 0 };
  }

  save(): Saved {
    return saveFields(this.#r);
  }

  /** Items are the machine's configuration, which whoever restores has built again. */
  restore(state: Saved): void {
    this.#r = restoreFields(this.id, { key: 0, offset: 0, addressHigh: 0 }, state, limits);
  }

  #select(key: number): void {
    this.#r.key = key & 0xffff;
    this.#r.offset = 0;
  }

  #next(): number {
    const item = this.#items.get(this.#r.key & 0xbfff);
    return item?.[this.#r.offset++] ?? 0;
  }

  #dma(low: number): void {
    const high = this.#r.addressHigh;
    this.#r.addressHigh = 0;
    // Everything above 4 GiB is unbacked.
    if (high !== 0 || low + 16 > 0xffffffff) return;
    const request = new DataView(readBytes(this.#memory, low, 16).buffer);
    const control = request.getUint32(0);
    const length = request.getUint32(4);
    const address = request.getUint32(12);
    if (control & Control.select) this.#select(control >>> 16);
    let error = (control & Control.write) !== 0;
    if (control & Control.read) {
      const inside = request.getUint32(8) === 0 && address + length <= this.#memory.size;
      if (inside) this.#transfer(address, length);
      else error = true;
    } else if (control & Control.skip) {
      this.#r.offset = Math.min(this.#r.offset + length, 0xffffffff);
    }
    const answer = new Uint8Array(4);
    answer[3] = error ? Control.error : 0;
    this.#memory.write(low, answer);
  }

  /** Past the end of the item come zeros. */
  #transfer(address: number, length: number): void {
    const item = this.#items.get(this.#r.key & 0xbfff) ?? new Uint8Array(0);
    for (let done = 0; done < length; done += chunk) {
      const part = new Uint8Array(Math.min(chunk, length - done));
      part.set(item.subarray(this.#r.offset, this.#r.offset + part.length));
      this.#memory.write(address + done, part);
      this.#r.offset = Math.min(this.#r.offset + part.length, 0xffffffff);
    }
  }

  /** Count, then for each file: size (4), selector (2), reserved (2), name (56), all big endian. */
  #writeDirectory(): void {
    const bytes = new Uint8Array(4 + 64 * this.#files.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, this.#files.length);
    this.#files.forEach(({ name, key }, i) => {
      view.setUint32(4 + 64 * i, this.#items.get(key)?.length ?? 0);
      view.setUint16(8 + 64 * i, key);
      bytes.set(new TextEncoder().encode(name).subarray(0, maxName), 12 + 64 * i);
    });
    this.add(FwCfgKey.fileDirectory, bytes);
  }
}

export function littleEndian(size: 2 | 4 | 8, value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes.slice(0, size);
}

function swap32(x: number): number {
  return (((x & 0xff) << 24) | ((x & 0xff00) << 8) | ((x >>> 8) & 0xff00) | (x >>> 24)) >>> 0;
}
