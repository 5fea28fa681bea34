/** Access widths of the I/O port space, in bytes. */
export type PortSize = 1 | 2 | 4;

/** Access widths of memory-mapped registers, in bytes. */
export type MmioSize = 1 | 2 | 4 | 8;

/** What memory-mapped registers give and take, unsigned: numbers for sizes 1, 2 and 4, bigints for size 8. */
export type MmioValue = number | bigint;
/** A value of `size` bytes in that form, whichever it comes in. */
export function mmioValue(value: MmioValue, size: number): MmioValue {
  if (size === 8) return typeof value === "bigint" ? BigInt.asUintN(64, value) : BigInt.asUintN(64, BigInt(value));
  const low = typeof value === "number" ? value : Number(BigInt.asUintN(32, value));
  return size === 4 ? low >>> 0 : low & (size === 2 ? 0xffff : 0xff);
}

/** A device in the I/O port space. Ports are absolute; values are unsigned. */
export interface PortDevice {
  portRead(port: number, size: PortSize): number;
  portWrite(port: number, size: PortSize, value: number): void;
}

/** A device in memory. Offsets count from the device's base; for the values see MmioValue. */
export interface MmioDevice {
  mmioRead(offset: number, size: MmioSize): MmioValue;
  mmioWrite(offset: number, size: MmioSize, value: MmioValue): void;
}

/** One interrupt wire. Setting the level it already has does nothing. */
export interface IrqLine {
  set(level: boolean): void;
}

/** A wire that leads nowhere. */
export const unconnected: IrqLine = { set() {} };
