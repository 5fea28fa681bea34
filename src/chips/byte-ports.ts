import type { PortSize } from "../base/bus.ts";

/**
 * Reads `size` consecutive byte-wide ports as one little-endian value, as an 8-bit device on the ISA bus
 * does.
 */
export function readBytePorts(port: number, size: PortSize, read: (port: number) => number): number {
  if (size === 1) return read(port) & 0xff;
  let value = 0;
  for (let i = 0; i < size; i++) value |= (read(port + i) & 0xff) << (8 * i);
  return value >>> 0;
}

/** Writes `size` consecutive byte-wide ports, lowest first. */
export function writeBytePorts(
  port: number,
  size: PortSize,
  value: number,
  write: (port: number, byte: number) => void,
): void {
  for (let i = 0; i < size; i++) write(port + i, (value >>> (8 * i)) & 0xff);
}
