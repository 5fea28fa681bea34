import type { MmioDevice, Saved } from "../../base/index.ts";
import { SavedRecord } from "../../base/index.ts";
import type { MachineBus } from "../bus.ts";
import { Vbe } from "../devices/vbe.ts";
import type { VgaText } from "../devices/vga.ts";
import { Config, PciFunction } from "./function.ts";

/*
 * QEMU's standard VGA (docs/specs/standard-vga): PCI 1234:1111.
 *   BAR 0 video memory, prefetchable   BAR 2 registers   expansion ROM: the VGA BIOS
 *   BAR 2   0 EDID (none)   400 ports 3C0h to 3DFh   500 Bochs VBE registers, a word each   600 size of what follows, 604 byte order
 */
const ROM_BAR = 0x30;
const REGISTERS = 0x1000;
const LITTLE_ENDIAN = 0x1e1e1e1e;

/** Video memory: user memory that the guest sees where the base address says, and through the VGA window. */
export interface VideoMemory {
  readonly size: number;
  /** Bytes of the expansion ROM, 0 for none. */
  readonly romSize: number;
  /** The first guest address behind RAM. */
  readonly lowest: number;
  /** Shows all of it at a guest address; -1 hides it. */
  show(gpa: number): void;
  showRom(gpa: number): void;
  clear(bytes: number): void;
}

export class StdVga extends PciFunction implements MmioDevice {
  readonly id = "vga-std";
  readonly vbe: Vbe;
  readonly #vga: VgaText;
  readonly #memory: VideoMemory;
  #shown = -1;
  #romShown = -1;

  constructor(bus: MachineBus, vga: VgaText, memory: VideoMemory) {
    super(bus, { vendor: 0x1234, device: 0x1111, revision: 2, classCode: 0x030000 });
    this.#vga = vga;
    this.#memory = memory;
    this.vbe = new Vbe({
      memory: memory.size,
      changed: () => vga.setBanked(this.vbe.on, this.vbe.bankOffset, this.vbe.eightBitPalette),
      clear: (bytes) => memory.clear(bytes),
    });
    // Prefetchable, a multiple of its size.
    this.define(Config.bar0, 8, 0);
    this.define(Config.bar0 + 3, 0, ~((memory.size - 1) >>> 24) & 0xff);
    this.addBar({ kind: "memory", index: 2, size: REGISTERS, device: this });
    if (memory.romSize > 0) {
      this.define(ROM_BAR, 0, 1);
      this.define(ROM_BAR + 2, 0, ~((memory.romSize - 1) >>> 16) & 0xff);
      this.define(ROM_BAR + 3, 0, 0xff);
    }
  }

  /** Sets a picture as a boot loader does; returns bytes from one line to the next and in all of video memory. */
  setMode({ width, height, depth }: { width: number; height: number; depth: number }): { pitch: number; memory: number } {
    this.vbe.setMode(width, height, depth);
    return { pitch: this.vbe.geometry()?.pitch ?? 0, memory: this.#memory.size };
  }

  mmioRead(offset: number, size: number): number {
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this.#byte(offset + i);
    return value;
  }
  mmioWrite(offset: number, size: number, value: number | bigint): void {
    const v = Number(value);
    if (offset >= 0x400 && offset + size <= 0x420)
      for (let i = 0; i < size; i++) this.#vga.portWrite(offset - 0x400 + 0x3c0 + i, 1, (v >>> (8 * i)) & 0xff);
    else if (offset >= 0x500 && offset < 0x516 && size >= 2 && offset % 2 === 0) this.vbe.write((offset - 0x500) / 2, v & 0xffff);
  }
  #byte(offset: number): number {
    if (offset >= 0x400 && offset < 0x420) return this.#vga.portRead(offset - 0x400 + 0x3c0);
    if (offset >= 0x500 && offset < 0x516)
      return (this.vbe.read((offset - 0x500) >> 1) >> (8 * (offset & 1))) & 0xff;
    if (offset >= 0x600 && offset < 0x604) return offset === 0x600 ? 8 : 0;
    if (offset >= 0x604 && offset < 0x608) return LITTLE_ENDIAN & 0xff;
    return 0;
  }

  override reset(): void {
    super.reset();
    this.vbe.reset();
  }
  override save(): Saved {
    return { config: this.config.slice(), vbe: this.vbe.save() };
  }
  override restore(state: Saved): void {
    super.restore(state);
    this.vbe.restore(this.id, new SavedRecord(this.id, state).value("vbe"));
  }

  protected override configChanged(): void {
    const memoryOn = (this.configRead(Config.command, 2) & 2) !== 0,
      base = (this.configRead(Config.bar0, 4) & ~15) >>> 0,
      rom = this.configRead(ROM_BAR, 4);
    const { size, romSize, lowest } = this.#memory;
    // RAM answers where a base address says RAM, and of the two windows the video memory does.
    const place = (address: number, bytes: number, wanted: boolean): number =>
      memoryOn && wanted && address >= lowest && address + bytes <= 0xfec00000 ? address : -1;
    const shown = place(base, size, true),
      romAt = place((rom & ~0x7ff) >>> 0, romSize, (rom & 1) !== 0),
      hidden = shown >= 0 && romAt < shown + size && shown < romAt + romSize,
      romShown = hidden ? -1 : romAt;
    // What goes goes first: two regions never overlap.
    if (romShown !== this.#romShown && this.#romShown >= 0) this.#memory.showRom(-1);
    if (shown !== this.#shown) this.#memory.show(shown);
    if (romShown !== this.#romShown && romShown >= 0) this.#memory.showRom(romShown);
    this.#shown = shown;
    this.#romShown = romShown;
  }
}
