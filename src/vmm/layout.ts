import type { AccelVm } from "./accel.ts";
import type { E820Entry } from "./load/image.ts";
import type { PamSegment } from "./pci/i440fx.ts";

/*
 * Physical memory of machine "pc":
 *   00000000 RAM | A0000 VGA window | C0000 RAM or ROM by PAM | 100000 RAM up to -m | FEC00000 IOAPIC, HPET, LAPIC
 *   | firmware up to 4 GiB. User memory: RAM from offset 0, then the firmware.
 */
const slots = { low: 0, high: 1, firmware: 2, pam: 3 } as const;
const pamSegments = 13;
const fourGiB = 0x100000000;
const mebibyte = 0x100000;
const shadowSize = 0x20000;
export const vgaWindow = { base: 0xa0000, size: 0x20000 } as const;
export const hpetBase = 0xfed00000;

/** Bytes of user memory a machine needs: what the accelerator is to be made with. */
export function userMemorySize(ramSize: number, firmwareSize: number): number {
  return ramSize + firmwareSize;
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
