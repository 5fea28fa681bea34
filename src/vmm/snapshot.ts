import { type AccelVm, decode, encode, type Saved, SavedRecord, StateError } from "../base/index.ts";

/*
 * A machine in one file:
 *   "VITRINE1" (8) | u32 LE length of the head | head | pages that are not zero, ascending, 4096 bytes each
 *   | SHA-256 of everything before (32)
 * The head is the canonical encoding of { pages, present, state }: the number of pages of user memory, a bitmap of
 * those that follow (lowest bit first), and the state.
 */
const magic = new TextEncoder().encode("VITRINE1");
const pageSize = 4096;
const hashSize = 32;
/** Devices and CPU take well under a megabyte. */
const maxHead = 16 << 20;
const cure = "load a file that this version saved, on a machine with the same options";

function refused(what: string): StateError {
  return new StateError("saved machine", what, cure);
}

/** The whole of user memory and `state`. */
export function writeSnapshot(accel: AccelVm, state: Saved): Uint8Array {
  const { pages } = accel.userMemory;
  const present = new Uint8Array(Math.ceil(pages / 8));
  const page = new Uint8Array(pageSize);
  let count = 0;
  for (let n = 0; n < pages; n++) {
    if (!accel.userMemory.readPage(n, page)) continue;
    present[n >> 3] = (present[n >> 3] ?? 0) | (1 << (n & 7));
    count++;
  }
  const head = encode({ pages, present, state });
  const start = magic.length + 4 + head.length;
  const file = new Uint8Array(start + count * pageSize + hashSize);
  file.set(magic);
  new DataView(file.buffer).setUint32(magic.length, head.length, true);
  file.set(head, magic.length + 4);
  let at = start;
  for (let n = 0; n < pages; n++) {
    if (((present[n >> 3] ?? 0) & (1 << (n & 7))) === 0) continue;
    accel.userMemory.readPage(n, file.subarray(at, at + pageSize));
    at += pageSize;
  }
  file.set(accel.sha256(file.subarray(0, at)), at);
  return file;
}

/**
 * Checks the whole file, then writes memory and hands the state to `restore`. Throws StateError; nothing has been
 * changed when the file itself is at fault.
 */
export function readSnapshot(accel: AccelVm, file: Uint8Array, restore: (state: Saved) => void): void {
  const start = magic.length + 4;
  if (file.length < start + hashSize || magic.some((byte, i) => file[i] !== byte)) throw refused("not a saved machine");
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const headLength = view.getUint32(magic.length, true);
  const body = file.length - hashSize;
  if (headLength > maxHead || start + headLength > body) throw refused(`a head of ${headLength} bytes`);
  const sum = accel.sha256(file.subarray(0, body));
  if (sum.some((byte, i) => file[body + i] !== byte)) throw refused("its check sum is wrong");
  const head = new SavedRecord("saved machine", decode(file.subarray(start, start + headLength)));
  const { pages } = accel.userMemory;
  const saved = head.int("pages");
  if (saved !== pages) throw refused(`${saved} pages for a machine of ${pages}`);
  const present = head.bytes("present", Math.ceil(pages / 8));
  const has = (n: number): boolean => ((present[n >> 3] ?? 0) & (1 << (n & 7))) !== 0;
  let count = 0;
  for (let n = 0; n < present.length * 8; n++) {
    if (!has(n)) continue;
    if (n >= pages) throw refused(`a page ${n} of ${pages}`);
    count++;
  }
  if (body - start - headLength !== count * pageSize) throw refused(`${count} pages in ${body - start - headLength} bytes`);
  let at = start + headLength;
  for (let n = 0; n < pages; n++) {
    if (has(n)) {
      accel.userMemory.writePage(n, file.subarray(at, at + pageSize));
      at += pageSize;
    } else {
      accel.userMemory.writePage(n, null);
    }
  }
  restore(head.value("state"));
}
