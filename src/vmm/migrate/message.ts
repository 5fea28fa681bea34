import { decode, encode, type Saved, SavedRecord, StateError } from "../../base/index.ts";
import { MigrationError } from "./errors.ts";

/*
 * A message is one byte that says what it is, then:
 *   hello     record { protocol, pages, machine }     S>T   first
 *   ready     nothing                                 T>S   the target takes it
 *   pages     u32 number, then for each page u32 LE   S>T   bit 31 of the page number: zeros only, no bytes follow;
 *             page number and 4096 bytes                    else 4096 bytes
 *   ack       u32 number                              T>S   this chunk is in memory
 *   pass      u32 pass, u32 pages sent                S>T   a pass is over
 *   state     record { machine, typed, running }      S>T   the source has stopped; the rest of it. The target runs
 *                                                           it from here on, if it ran, but nothing it says gets out
 *   loaded    32 bytes                                T>S   the state hash of what arrived
 *   go        32 bytes                                S>T   the source's hash is the same: the machine is yours
 *   running   nothing                                 T>S   the machine has moved
 *   cancel    nothing                                 S>T   forget it
 *   refused   text                                    T>S   why the target does not take it
 */
export const Kind = {
  hello: 1,
  ready: 2,
  pages: 3,
  ack: 4,
  pass: 5,
  state: 6,
  loaded: 7,
  go: 8,
  running: 9,
  cancel: 10,
  refused: 11,
} as const;

export const protocol = 2;
export const pageSize = 4096;
/** Chunks the source sends ahead of their acknowledgement. */
export const window = 4;
/** Bytes of pages in a chunk, and pages when they are all zeros. */
export const chunkBytes = 64 * (4 + pageSize);
const maxEntries = chunkBytes / 4;
const maxText = 400;
const zeros = 0x80000000;

export type Message =
  | { kind: "hello"; protocol: number; pages: number; machine: number }
  | { kind: "pages"; number: number; entries: PageEntry[] }
  | { kind: "ack"; number: number }
  | { kind: "pass"; pass: number; sent: number }
  | { kind: "state"; machine: Saved; typed: Uint8Array; running: boolean }
  | { kind: "loaded"; hash: string }
  | { kind: "go"; hash: string }
  | { kind: "ready" | "running" | "cancel" }
  | { kind: "refused"; reason: string };

export interface PageEntry {
  readonly page: number;
  /** null: zeros. */
  readonly bytes: Uint8Array | null;
}

type Bytes = Uint8Array<ArrayBuffer>;

function bad(what: string): MigrationError {
  return new MigrationError("migration stream", what);
}

export function plain(kind: "ready" | "running" | "cancel"): Bytes {
  return Uint8Array.of(Kind[kind]);
}

export function numbers(kind: "ack" | "pass", ...values: number[]): Bytes {
  const message = new Uint8Array(1 + 4 * values.length);
  const view = new DataView(message.buffer);
  message[0] = Kind[kind];
  values.forEach((v, i) => {
    view.setUint32(1 + 4 * i, v, true);
  });
  return message;
}

export function record(kind: "hello" | "state", value: Saved): Bytes {
  const body = encode(value);
  const message = new Uint8Array(1 + body.length);
  message[0] = Kind[kind];
  message.set(body, 1);
  return message;
}

export function hash(kind: "loaded" | "go", hex: string): Bytes {
  const message = new Uint8Array(33);
  message[0] = Kind[kind];
  for (let i = 0; i < 32; i++) message[1 + i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return message;
}

export function refusal(reason: string): Bytes {
  const text = new TextEncoder().encode(reason.slice(0, maxText));
  const message = new Uint8Array(1 + text.length);
  message[0] = Kind.refused;
  message.set(text, 1);
  return message;
}

/** A chunk of pages being put together. */
export class ChunkWriter {
  readonly #bytes = new Uint8Array(5 + chunkBytes);
  readonly #view = new DataView(this.#bytes.buffer);
  #at = 5;
  pages = 0;

  /** Room for one more page, whatever it holds. */
  get open(): boolean {
    return this.#at + 4 + pageSize <= this.#bytes.length;
  }

  add(page: number, read: (page: number, into: Uint8Array) => boolean): void {
    const filled = read(page, this.#bytes.subarray(this.#at + 4, this.#at + 4 + pageSize));
    this.#view.setUint32(this.#at, filled ? page : (page | zeros) >>> 0, true);
    this.#at += filled ? 4 + pageSize : 4;
    this.pages++;
  }

  finish(number: number): Bytes {
    this.#bytes[0] = Kind.pages;
    this.#view.setUint32(1, number, true);
    return this.#bytes.slice(0, this.#at);
  }
}

/** Reads a message of the other side, which may be hostile; throws MigrationError. */
export function parse(bytes: Uint8Array): Message {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const body = bytes.subarray(1);
  const exactly = (length: number): void => {
    if (body.length !== length) throw bad(`a message of kind ${bytes[0]} with ${body.length} bytes`);
  };
  switch (bytes[0]) {
    case Kind.hello: {
      const r = readRecord(body);
      return { kind: "hello", protocol: r.int("protocol"), pages: r.int("pages"), machine: r.int("machine") };
    }
    case Kind.state: {
      const r = readRecord(body);
      return { kind: "state", machine: r.value("machine"), typed: r.bytes("typed"), running: r.bool("running") };
    }
    case Kind.pages:
      if (body.length < 4) throw bad("a chunk without a number");
      return { kind: "pages", number: view.getUint32(1, true), entries: readPages(bytes, view) };
    case Kind.ack:
      exactly(4);
      return { kind: "ack", number: view.getUint32(1, true) };
    case Kind.pass:
      exactly(8);
      return { kind: "pass", pass: view.getUint32(1, true), sent: view.getUint32(5, true) };
    case Kind.loaded:
    case Kind.go:
      exactly(32);
      return { kind: bytes[0] === Kind.go ? "go" : "loaded", hash: hex(body) };
    case Kind.ready:
    case Kind.running:
    case Kind.cancel:
      exactly(0);
      return { kind: bytes[0] === Kind.ready ? "ready" : bytes[0] === Kind.running ? "running" : "cancel" };
    case Kind.refused:
      if (body.length > 4 * maxText) throw bad("a reason that does not end");
      return { kind: "refused", reason: new TextDecoder().decode(body) };
    default:
      throw bad(`a message of kind ${bytes[0] ?? "none"}`);
  }
}

function readRecord(body: Uint8Array): SavedRecord {
  try {
    return new Checked("migration stream", decode(body));
  } catch (error) {
    throw error instanceof StateError ? bad(error.value) : error;
  }
}

/** A record whose faults are the stream's. */
class Checked extends SavedRecord {
  override int(key: string): number {
    return this.#typed(() => super.int(key));
  }
  override bool(key: string): boolean {
    return this.#typed(() => super.bool(key));
  }
  override bytes(key: string): Uint8Array {
    return this.#typed(() => super.bytes(key));
  }
  override value(key: string): Saved {
    return this.#typed(() => super.value(key));
  }
  #typed<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw error instanceof StateError ? bad(error.value) : error;
    }
  }
}

function readPages(bytes: Uint8Array, view: DataView): PageEntry[] {
  const entries: PageEntry[] = [];
  for (let at = 5; at < bytes.length; ) {
    if (at + 4 > bytes.length || entries.length >= maxEntries) throw bad("a chunk cut short");
    const word = view.getUint32(at, true);
    at += 4;
    if (word >= zeros) {
      entries.push({ page: word - zeros, bytes: null });
      continue;
    }
    if (at + pageSize > bytes.length) throw bad("a page cut short");
    entries.push({ page: word, bytes: bytes.subarray(at, at + pageSize) });
    at += pageSize;
  }
  return entries;
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
