/**
 * CRC-32C (Castagnoli) as the CRC32 instruction computes it: polynomial 0x11EDC6F41, bits reflected, no
 * inversion at either end ("CRC32 - Accumulate CRC32 Value"). The table is 256 words at an address the
 * caller gives.
 */

/** Size of the table in bytes. */
export const CRC32C_TABLE: i32 = 1024;

/** Fill the table at `table`. */
export function crc32cInit(table: usize): void {
  for (let i: u32 = 0; i < 256; i++) {
    let r = i;
    for (let k = 0; k < 8; k++) r = (r >> 1) ^ (r & 1 ? 0x82f63b78 : 0);
    store<u32>(table + (i << 2), r);
  }
}

/** Accumulate the low `bytes` (1, 2, 4 or 8) bytes of `value`. */
export function crc32c(table: usize, crc: u32, value: u64, bytes: i32): u32 {
  while (bytes-- > 0) {
    crc = (crc >> 8) ^ load<u32>(table + (((crc ^ u32(value)) & 255) << 2));
    value >>= 8;
  }
  return crc;
}

/** Accumulate `length` bytes at `from`. */
export function crc32cBytes(table: usize, crc: u32, from: usize, length: usize): u32 {
  for (const end = from + length; from < end; from++) {
    crc = (crc >> 8) ^ load<u32>(table + (((crc ^ load<u8>(from)) & 255) << 2));
  }
  return crc;
}
