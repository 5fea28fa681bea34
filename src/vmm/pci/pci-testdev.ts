import type { MmioSize, PortSize, Saved } from "../../base/index.ts";
import { SavedRecord } from "../../base/index.ts";
import type { MachineBus } from "../bus.ts";
import { PciFunction } from "./function.ts";

/*
 * pci-testdev of QEMU (docs/specs/pci-testdev): BAR 0 is 4 KiB of memory, BAR 1 256 ports, both laid out alike:
 *   00 test (writing a number chooses one) | 01 width of its writes, 0 past the last | 04 offset | 08 data | 0C count | 10 name
 * A write of the test's width, offset and data counts. The tests with an eventfd of QEMU's are missing: nothing here has one.
 */
const Header = { test: 0, width: 1, offset: 4, data: 8, count: 12, name: 16 } as const;
const headerSize = 64;
const target = 0x80;
const data = 0xfa;
const width = 1;

/** The registers behind one BAR: a single test, whose writes are counted. */
class TestRegisters {
  readonly #name: string;
  /** -1 and every number but 0: no test is chosen. */
  test = -1;
  count = 0;

  constructor(name: string) {
    this.#name = name;
  }

  portRead(offset: number, size: PortSize): number {
    const bytes = this.#header();
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + (bytes[(offset & 0xff) + i] ?? 0);
    return value;
  }
  portWrite(offset: number, size: PortSize, value: number): void {
    const at = offset & 0xff;
    if (at === Header.test) {
      this.test = (value & 0xff) === 0 ? 0 : -1;
      this.count = 0;
    } else if (this.test === 0 && at === target && size === width && (value & 0xff) === data) this.count++;
  }
  mmioRead(offset: number, size: MmioSize): bigint | number {
    if (size !== 8) return this.portRead(offset, size);
    return BigInt(this.portRead(offset, 4)) | (BigInt(this.portRead(offset + 4, 4)) << 32n);
  }
  mmioWrite(offset: number, size: MmioSize, value: number | bigint): void {
    if (size !== 8) this.portWrite(offset, size, Number(value));
  }

  #header(): Uint8Array {
    const bytes = new Uint8Array(headerSize);
    if (this.test !== 0) return bytes;
    const view = new DataView(bytes.buffer);
    bytes[Header.width] = width;
    view.setUint32(Header.offset, target, true);
    view.setUint32(Header.data, data, true);
    view.setUint32(Header.count, this.count, true);
    [...this.#name].forEach((c, i) => {
      bytes[Header.name + i] = c.charCodeAt(0);
    });
    return bytes;
  }
}

export class PciTestdev extends PciFunction {
  readonly id = "pci-testdev";
  readonly #memory = new TestRegisters("mmio-no-eventfd");
  readonly #ports = new TestRegisters("portio-no-eventfd");

  constructor(bus: MachineBus) {
    super(bus, { vendor: 0x1b36, device: 5, revision: 0, classCode: 0x00ff00 });
    this.addBar({ kind: "memory", index: 0, size: 0x1000, device: this.#memory });
    this.addBar({ kind: "io", index: 1, size: 0x100, device: this.#ports });
  }

  override reset(): void {
    super.reset();
    for (const r of [this.#memory, this.#ports]) [r.test, r.count] = [-1, 0];
  }
  override save(): Saved {
    const parts = [this.#memory, this.#ports].map(({ test, count }) => ({ test: test + 1, count }));
    return { ...(super.save() as object), registers: parts };
  }
  override restore(state: Saved): void {
    const saved = new SavedRecord(this.id, state).list("registers", 2);
    super.restore(state);
    [this.#memory, this.#ports].forEach((r, i) => {
      const part = new SavedRecord(this.id, saved[i] ?? null);
      [r.test, r.count] = [part.int("test", 1) - 1, part.int("count")];
    });
  }
}
