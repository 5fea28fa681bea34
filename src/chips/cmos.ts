/*
 * The PC's use of the CMOS bytes beside the clock, as SeaBIOS and its predecessors read them ("CMOS memory
 * map" of the IBM PC AT technical reference, extended by QEMU's firmware interface).
 */
export const Cmos = {
  shutdown: 0x0f,
  floppy: 0x10,
  disks: 0x12,
  equipment: 0x14,
  baseLow: 0x15,
  baseHigh: 0x16,
  extLow: 0x17,
  extHigh: 0x18,
  ext2Low: 0x30,
  ext2High: 0x31,
  century: 0x32,
  above16Low: 0x34,
  above16High: 0x35,
  bootThird: 0x38,
  bootFirst: 0x3d,
  above4G: 0x5b,
  cpusMinus1: 0x5f,
} as const;

/** Codes of boot devices, first to third. */
export const BootDevice = { none: 0, floppy: 1, disk: 2, cdrom: 3, network: 4 } as const;

const kib = 1024;
const mib = 1024 * kib;

/** Byte values [index, value] telling firmware the RAM below and above 4 GiB, in bytes. */
export function memoryBytes(below4G: number, above4G: number): [number, number][] {
  const cap = (n: number) => Math.max(0, Math.min(0xffff, Math.floor(n)));
  const extended = cap((below4G - mib) / kib);
  const above16 = cap((below4G - 16 * mib) / (64 * kib));
  const high = Math.floor(above4G / (64 * kib));
  const base = cap(Math.min(640, below4G / kib));
  return [
    [Cmos.baseLow, base & 0xff],
    [Cmos.baseHigh, base >> 8],
    [Cmos.extLow, extended & 0xff],
    [Cmos.extHigh, extended >> 8],
    [Cmos.ext2Low, extended & 0xff],
    [Cmos.ext2High, extended >> 8],
    [Cmos.above16Low, above16 & 0xff],
    [Cmos.above16High, above16 >> 8],
    [Cmos.above4G, high & 0xff],
    [Cmos.above4G + 1, (high >> 8) & 0xff],
    [Cmos.above4G + 2, (high >> 16) & 0xff],
  ];
}

/**
 * Byte values for the boot order, codes of BootDevice; `checkFloppy` false skips the floppy's signature
 * check.
 */
export function bootBytes(order: readonly number[], checkFloppy = true): [number, number][] {
  const [first = 0, second = 0, third = 0] = order;
  return [
    [Cmos.bootFirst, (first & 15) | ((second & 15) << 4)],
    [Cmos.bootThird, ((third & 15) << 4) | (checkFloppy ? 0 : 1)],
  ];
}
