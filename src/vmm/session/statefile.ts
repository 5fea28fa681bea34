import { decode, encode, type Saved, SavedRecord, StateError } from "../../base/index.ts";
import type { NamedImage } from "../load/image.ts";
import type { GuestConfig } from "./protocol.ts";

/*
 * A session in one file, enough to go on in another page:
 *   "VITPAGE1" (8) | u32 LE length of the head | head | the machine (src/vmm/snapshot.ts) | SHA-256 of everything before (32)
 * The head is the canonical encoding of { guest, serial }: what the machine was built from, images included, and what
 * its serial port has printed.
 */
const magic = new TextEncoder().encode("VITPAGE1");
const hashSize = 32;
const start = magic.length + 4;
const maxHead = 512 << 20;
const maxImage = 256 << 20;
const maxRam = 3072 * 2 ** 20;
const maxText = 1 << 16;
/** Of serial output, the latest. */
const maxSerial = 1 << 20;
/** What a browser gives one array. */
const maxFile = 0x7fffffff;

const cure = "restore a file that “Save state” of this version has made";
const refused = (what: string): StateError => new StateError("state file", what, cure);
const images = ["kernel", "initrd", "bios", "vgaBios"] as const;

export interface SessionState {
  readonly config: GuestConfig;
  /** Serial output so far, as Latin-1 text. */
  readonly serial: string;
  /** What Machine.saveFile gave. */
  readonly machine: Uint8Array;
}

type Digest = (bytes: Uint8Array) => Uint8Array;

export function writeStateFile({ config, serial, machine }: SessionState, sha256: Digest): Uint8Array {
  const { name, accel, cpu, ramSize, append, rtcBase } = config;
  const guest: { [key: string]: Saved } = { name, accel, cpu, ramSize, append, rtcBase, ...(config.vga ? { vga: config.vga } : {}) };
  for (const key of images) {
    const image = config[key];
    guest[key] = image ? { name: image.name, bytes: image.bytes } : null;
  }
  const head = encode({ guest, serial: serial.slice(-maxSerial) });
  const body = start + head.length + machine.length;
  if (body + hashSize > maxFile) throw new StateError("state file", `${body} bytes`, "save a machine with less memory in use");
  const file = new Uint8Array(body + hashSize);
  file.set(magic);
  new DataView(file.buffer).setUint32(magic.length, head.length, true);
  file.set(head, start);
  file.set(machine, start + head.length);
  file.set(sha256(file.subarray(0, body)), body);
  return file;
}

/** Takes a file apart; its sum is checked with checkSum before anything of it is used. Throws StateError. */
export function readStateFile(file: Uint8Array): SessionState {
  if (magic.subarray(0, 7).some((byte, i) => file[i] !== byte)) throw refused("does not begin as one");
  if (file[7] !== magic[7]) throw refused(`format ${String.fromCharCode(file[7] ?? 32)}, and this page reads format 1`);
  if (file.length > maxFile || file.length < start + hashSize) throw refused(`${file.length} bytes`);
  const length = new DataView(file.buffer, file.byteOffset, file.byteLength).getUint32(magic.length, true);
  const body = file.length - hashSize;
  if (length > maxHead || start + length > body) throw refused(`a head of ${length} bytes`);
  const head = new SavedRecord("state file", decode(file.subarray(start, start + length)));
  const serial = head.text("serial");
  if (serial.length > maxSerial) throw refused(`${serial.length} characters of serial output`);
  return { config: readConfig(head.record("guest")), serial, machine: file.subarray(start + length, body) };
}

/** Throws StateError where the file is not as it was written. */
export function checkSum(file: Uint8Array, sha256: Digest): void {
  const body = file.length - hashSize;
  const sum = sha256(file.subarray(0, body));
  if (sum.some((byte, i) => file[body + i] !== byte)) throw refused("its check sum is wrong: the file is damaged");
}

function readConfig(guest: SavedRecord): GuestConfig {
  const text = (key: string): string => {
    const value = guest.text(key);
    if (value.length > maxText) throw refused(`${key} of ${value.length} characters`);
    return value;
  };
  const accel = text("accel");
  if (accel !== "kvm" && accel !== "tcg") throw refused(`accelerator ${accel.slice(0, 20)}`);
  const ramSize = guest.int("ramSize", maxRam);
  if (ramSize === 0 || ramSize % (1 << 20) !== 0) throw refused(`${ramSize} bytes of memory`);
  const image = (key: (typeof images)[number]): NamedImage | undefined => {
    if (guest.value(key) === null) return undefined;
    const record = guest.record(key);
    const bytes = record.bytes("bytes");
    if (bytes.length > maxImage) throw refused(`${key} of ${bytes.length} bytes`);
    return { name: record.text("name"), bytes };
  };
  const vga = guest.optional("vga") === null ? undefined : text("vga");
  if (vga !== undefined && vga !== "std" && vga !== "isa" && vga !== "none") throw refused(`display ${vga.slice(0, 20)}`);
  return {
    vga, name: text("name"), accel, cpu: text("cpu"), ramSize, append: text("append"), rtcBase: guest.int("rtcBase", Number.MAX_SAFE_INTEGER),
    kernel: image("kernel"), initrd: image("initrd"), bios: image("bios"), vgaBios: image("vgaBios"),
  };
}
