/** Access widths of the I/O port space, in bytes. */
export type PortSize = 1 | 2 | 4;

/** Access widths of memory-mapped registers, in bytes. */
export type MmioSize = 1 | 2 | 4 | 8;

/** A device in the I/O port space. Ports are absolute; values are unsigned. */
export interface PortDevice {
  portRead(port: number, size: PortSize): number;
  portWrite(port: number, size: PortSize, value: number): void;
}

/** A device in memory. Offsets count from the device's base; sizes 1, 2 and 4 use numbers, size 8 bigints. */
export interface MmioDevice {
  mmioRead(offset: number, size: MmioSize): bigint | number;
  mmioWrite(offset: number, size: MmioSize, value: number | bigint): void;
}

/** One interrupt wire. Setting the level it already has does nothing. */
export interface IrqLine {
  set(level: boolean): void;
}

/** A wire that leads nowhere. */
export const unconnected: IrqLine = { set() {} };
