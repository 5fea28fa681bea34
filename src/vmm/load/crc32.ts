import { hex, type ImageReader } from "./image.ts";

/*
 * A bzImage of protocol 2.08 and later carries a CRC-32 in its last four bytes, so that the CRC over the whole is
 * zero (Linux kernel documentation, "The image CRC"). Kernels of 2025 dropped it, and signing for UEFI afterwards
 * changes two header fields it covers; both are allowed for, so that only damage is refused.
 */
const SLICES = 8;
/** Eight tables of 256: what a byte does to the register that is 1 to 8 bytes from the end of a step ("slicing-by-8", Kounavis
 *  and Berry, 2005). A kernel of 12 MB is gone through twice before it starts. */
const table = new Int32Array(SLICES * 256);
for (let i = 0; i < 256; i++) {
  let c = i;
  for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  table[i] = c;
}
for (let i = 256; i < table.length; i++) {
  const before = table[i - 256] as number;
  table[i] = (before >>> 8) ^ (table[before & 255] as number);
}

/** CRC-32 register (reflected 04C11DB7h, start all ones, not inverted at the end). */
export function crc32(bytes: Uint8Array, start = 0xffffffff): number {
  const at = (slice: number, byte: number): number => table[slice * 256 + (byte & 255)] as number;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let c = start | 0, i = 0;
  for (; i + SLICES <= bytes.length; i += SLICES) {
    const low = c ^ view.getInt32(i, true), high = view.getInt32(i + 4, true);
    c = at(7, low) ^ at(6, low >>> 8) ^ at(5, low >>> 16) ^ at(4, low >>> 24) ^ at(3, high) ^ at(2, high >>> 8) ^ at(1, high >>> 16) ^ at(0, high >>> 24);
  }
  for (; i < bytes.length; i++) c = (c >>> 8) ^ at(0, c ^ (bytes[i] as number));
  return c >>> 0;
}

/** The last release series whose build appended the checksum. */
const lastWithCrc = [6, 12] as const;

/** Undefined when the checksum fits or none is expected, else the value found. */
export function compareCrc(image: ImageReader, setupSize: number, codeSize: number): string | undefined {
  if (!expectsCrc(image) || setupSize + codeSize > image.bytes.length) return undefined;
  const whole = image.bytes.subarray(0, setupSize + codeSize);
  const plain = crc32(whole);
  if (plain === 0) return undefined;
  const head = withoutSignature(whole.slice(0, setupSize));
  if (!head) return hex(plain);
  const unsigned = crc32(whole.subarray(setupSize), crc32(head));
  return unsigned === 0 ? undefined : hex(unsigned);
}

function expectsCrc(image: ImageReader): boolean {
  const at = image.u16(0x20e, "kernel_version");
  if (at === 0) return false;
  const text = new TextDecoder("latin1").decode(image.bytes.subarray(at + 0x200, at + 0x240));
  const found = /^(\d+)\.(\d+)/.exec(text);
  if (!found) return false;
  const [major, minor] = [Number(found[1]), Number(found[2])];
  return major < lastWithCrc[0] || (major === lastWithCrc[0] && minor <= lastWithCrc[1]);
}

/** The header with the PE checksum and the certificate table entry as the kernel's build left them: zero. */
function withoutSignature(head: Uint8Array): Uint8Array | undefined {
  const view = new DataView(head.buffer);
  const pe = view.getUint32(0x3c, true);
  if (pe + 0xb0 > head.length || view.getUint32(pe, true) !== 0x4550) return undefined;
  const optional = pe + 24;
  const directories = optional + (view.getUint16(optional, true) === 0x20b ? 112 : 96);
  view.setUint32(optional + 64, 0, true);
  view.setBigUint64(directories + 4 * 8, 0n, true);
  return head;
}
