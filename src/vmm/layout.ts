import type { AccelVm } from "./accel.ts";
import type { TextRam, WindowMemory } from "./devices/vga.ts";
import type { VideoMemory } from "./pci/stdvga.ts";
import type { E820Entry } from "./load/image.ts";
import type { PamSegment } from "./pci/i440fx.ts";

/*
 * Physical memory of machine "pc":
 *   00000000 RAM | A0000 VGA window, text RAM in it | C0000 RAM or ROM by PAM | 100000 RAM up to -m | FEC00000 IOAPIC, HPET, LAPIC
 *   | firmware up to 4 GiB. User memory: RAM from offset 0, then the firmware, then the
 * text RAM, and with -vga std the VGA BIOS and the video memory.
 */
const mebibyte = 0x100000;
const slots = { low: 0, high: 1, firmware: 2, pam: 3, video: 16, framebuffer: 17, window: 18, vgaRom: 19 } as const;
const pamSegments = 13;
const fourGiB = 0x100000000;
const shadowSize = 0x20000;
export const vgaWindow = { base: 0xa0000, size: 0x20000 } as const;
export const hpetBase = 0xfed00000;

/** The display: QEMU's standard VGA on PCI, text memory and registers of a VGA on ISA, or nothing. */
export type Display = "std" | "isa" | "none";

/** Bytes of user memory a machine needs: what the accelerator is to be made with. */
export function userMemorySize(ramSize: number, firmwareSize: number, display: Display = "isa"): number {
  return videoMemory(ramSize, firmwareSize) + textSize + (display === "std" ? vgaRomSize + framebufferSize : 0);
}
const vgaRomSize = 0x10000;
const framebufferSize = 16 * mebibyte;
const textSize = 0x10000;
const page = 4096;
/** Where the video memory begins in user memory. */
const videoMemory = (ramSize: number, firmwareSize: number): number =>
  ramSize + Math.ceil(firmwareSize / page) * page;

/** The display's text RAM: a region that logs what is written to it, shown where and while the display says. */
export function textRam(accel: AccelVm, ramSize: number, firmwareSize: number): TextRam {
  const backing = videoMemory(ramSize, firmwareSize),
    first = backing / page;
  return {
    show: (window) => {
      const { base, size } = window ?? { base: 0, size: 0 };
      accel.setRegion(slots.video, vgaWindow.base + base, size, backing, { log: true });
    },
    read: () => {
      const text = new Uint8Array(textSize);
      for (let at = 0; at < textSize; at += page)
        accel.userMemory.readPage(first + at / page, text.subarray(at, at + page));
      return text;
    },
    write: (text) => {
      for (let at = 0; at < textSize; at += page)
        accel.userMemory.writePage(first + at / page, text.subarray(at, at + page));
    },
    takeWritten: () => accel.writtenPages(first, textSize / page).some((bits) => bits !== 0),
  };
}

/** Video memory of the standard VGA: a region of its own, which the VGA window shows a part of as well. */
export function standardVideo(accel: AccelVm, ramSize: number, firmwareSize: number, rom: Uint8Array | undefined): VideoMemory & WindowMemory {
  const romAt = videoMemory(ramSize, firmwareSize) + textSize,
    backing = romAt + vgaRomSize,
    first = backing / page,
    bytes = new Uint8Array(page);
  for (let at = 0; rom && at < Math.min(rom.length, vgaRomSize); at += page) {
    bytes.fill(0);
    bytes.set(rom.subarray(at, at + page));
    accel.userMemory.writePage((romAt + at) / page, bytes);
  }
  const within = (offset: number, use: (buffer: Uint8Array, at: number) => void): void => {
    const number = first + Math.floor(offset / page);
    if (!accel.userMemory.readPage(number, bytes)) bytes.fill(0);
    use(bytes, offset % page);
  };
  return {
    size: framebufferSize,
    romSize: rom ? vgaRomSize : 0,
    lowest: ramSize,
    show: (gpa) => {
      accel.setRegion(slots.framebuffer, Math.max(gpa, 0), gpa < 0 ? 0 : framebufferSize, backing, { log: true });
    },
    showRom: (gpa) => {
      accel.setRegion(slots.vgaRom, Math.max(gpa, 0), gpa < 0 ? 0 : vgaRomSize, romAt, { readonly: true });
    },
    clear: (length) => {
      for (let at = 0; at < Math.min(length, framebufferSize); at += page) accel.userMemory.writePage(first + at / page, null);
    },
    showWindow: (window, offset) => {
      const { base, size } = window ?? { base: 0, size: 0 };
      accel.setRegion(slots.window, vgaWindow.base + base, size, backing + offset, { log: true });
    },
    read: (offset, into) => {
      for (let done = 0; done < into.length; ) {
        const n = Math.min(into.length - done, page - ((offset + done) % page));
        within(offset + done, (buffer, at) => into.set(buffer.subarray(at, at + n), done));
        done += n;
      }
    },
    writeByte: (offset, value) => {
      within(offset, (buffer, at) => {
        buffer[at] = value;
        accel.userMemory.writePage(first + Math.floor(offset / page), buffer);
      });
    },
    takeWritten: () => accel.writtenPages(first, framebufferSize / page),
  };
}

/** Maps everything but C0000-FFFFF and copies the firmware in. */
export function mapMemory(accel: AccelVm, ramSize: number, firmware: Uint8Array | undefined): void {
  accel.setRegion(slots.low, 0, Math.min(ramSize, vgaWindow.base), 0, {});
  if (ramSize > mebibyte) accel.setRegion(slots.high, mebibyte, ramSize - mebibyte, mebibyte, {});
  if (!firmware) return;
  accel.setRegion(slots.firmware, fourGiB - firmware.length, firmware.length, ramSize, { readonly: true });
  accel.memory.write(fourGiB - firmware.length, firmware);
}

interface Run {
  base: number;
  size: number;
  backing: number;
  readonly: boolean;
}

/**
 * Maps C0000-FFFFF as PAM says: reads from DRAM, or from the last 128 KiB of the firmware, or from nowhere. Writes to
 * DRAM below a ROM cannot be told apart from reads by a region and stay off, as on other virtual machines.
 */
export function mapPam(
  accel: AccelVm,
  ramSize: number,
  firmwareSize: number,
  segments: readonly PamSegment[],
): void {
  const runs: Run[] = [];
  const shadow = Math.min(shadowSize, firmwareSize);
  for (const s of segments) {
    const inShadow = s.base >= mebibyte - shadow;
    if (!s.readDram && !inShadow) continue;
    const backing = s.readDram ? s.base : ramSize + firmwareSize - (mebibyte - s.base);
    const readonly = !(s.readDram && s.writeDram);
    const last = runs.at(-1);
    const joins =
      last &&
      last.base + last.size === s.base &&
      last.backing + last.size === backing &&
      last.readonly === readonly;
    if (joins) last.size += s.size;
    else runs.push({ base: s.base, size: s.size, backing, readonly });
  }
  for (let i = 0; i < pamSegments; i++) accel.setRegion(slots.pam + i, 0, 0, 0, {});
  runs.forEach((r, i) => {
    accel.setRegion(slots.pam + i, r.base, r.size, r.backing, { readonly: r.readonly });
  });
}

/** The memory map direct boot hands to a kernel. */
export function directE820(ramSize: number): E820Entry[] {
  return [
    { base: 0, size: 0x9fc00, type: 1 },
    { base: 0x9fc00, size: 0x400, type: 2 },
    { base: 0xe0000, size: 0x20000, type: 2 },
    { base: mebibyte, size: ramSize - mebibyte, type: 1 },
    { base: 0xfffc0000, size: 0x40000, type: 2 },
  ];
}

/** fw_cfg's etc/e820, which lists RAM only: address (8), length (8), type (4). */
export function firmwareE820(ramSize: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(20));
  view.setBigUint64(8, BigInt(ramSize), true);
  view.setUint32(16, 1, true);
  return new Uint8Array(view.buffer);
}
