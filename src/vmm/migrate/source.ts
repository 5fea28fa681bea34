import { encode, VitrineError } from "../../base/index.ts";
import type { Machine } from "../machine.ts";
import { countCommon, countPages, fullBitmap, join, nextPage, removePage } from "./bitmap.ts";
import type { Channel } from "./channel.ts";
import { MigrationError } from "./errors.ts";
import { ChunkWriter, hash, type Message, numbers, parse, plain, protocol, record, window } from "./message.ts";
import { StopJudge, type StopRule } from "./rule.ts";

/** One pass over the pages that were dirty when it began. */
export interface PassRow {
  readonly pass: number;
  /** Pages sent. */
  readonly sent: number;
  /** Of those, how many the guest wrote again meanwhile. */
  readonly dirtiedAgain: number;
  /** What the next pass has to send. */
  readonly remaining: number;
  readonly bytes: number;
  /** The machine stood still: the last pass. */
  readonly stopped: boolean;
}

export interface SourceOptions {
  readonly machine: Machine;
  readonly channel: Channel;
  /** "both" when not given. */
  readonly rule?: StopRule;
  /** 30 when not given. */
  readonly downtimeMs?: number;
  /** Bytes a second, as the link is taken to carry; measured with wallMs when not given. */
  readonly bandwidth?: number;
  /** A clock outside the machine, in milliseconds. */
  readonly wallMs?: () => number;
  /**
   * The guest's share: called after every chunk, and at least once a pass, with the bytes just sent. It runs the
   * machine for a while, or lets the loop that does so have its turn.
   */
  readonly between: (bytes: number) => void | Promise<void>;
  /**
   * The machine must not run from here on; says whether it ran, which the target is told. resume takes that back when
   * the migration comes to nothing.
   */
  readonly pause?: () => boolean;
  readonly resume?: () => void;
  /** After each chunk and each pass. */
  readonly onProgress?: (source: MigrationSource) => void;
}

export type MigrationResult =
  | { kind: "cancelled"; rows: readonly PassRow[] }
  | {
      kind: "moved";
      rows: readonly PassRow[];
      /** State hash, the same on both sides. */
      hash: string;
      /** Bytes sent in all. */
      bytes: number;
      /** From the stop of the machine here until it was known to be there, by wallMs; undefined without a clock. */
      downtimeMs: number | undefined;
      /** What the bytes sent meanwhile take at the given or measured bandwidth, in nanoseconds. */
      downtimeNs: number | undefined;
      /** The whole migration, by wallMs. */
      totalMs: number | undefined;
    };

/**
 * Page digests brought up to date with each chunk, so that few are left for the hash; fewer after the first pass,
 * since what is sent again is likely to be written again.
 */
function digestsPerChunk(pass: number): number {
  return pass === 1 ? 128 : 16;
}

/** A pass shorter than this says nothing about the bandwidth. */
const minMeasured = 1 << 20;

/**
 * The side that has the machine. It stands still from pause() on, and posts the rest of its pages and its state
 * without waiting for anything: the pause is as long as that takes to arrive. Its hash it computes afterwards.
 */
export class MigrationSource {
  readonly #o: SourceOptions;
  readonly #judge: StopJudge;
  readonly #rows: PassRow[] = [];
  readonly #cancelled: Promise<"cancelled">;
  #cancelNow: () => void = () => {};
  #cancelAsked = false;
  /** Past the point of no return: the target may be running already. */
  #committed = false;
  /** Pages that the target has not got as they are now, as far as the log has been read. */
  readonly pending: Uint8Array;
  #pass = 1;
  #bytes = 0;
  #chunks = 0;
  #acked = 0;
  #bandwidth: number;

  constructor(options: SourceOptions) {
    const { rule = "both", downtimeMs = 30, bandwidth, wallMs } = options;
    if (rule !== "2007" && bandwidth === undefined && wallMs === undefined) {
      throw new VitrineError("config", "migration", "no bandwidth and no clock to measure it", "give one of them");
    }
    this.#o = options;
    this.#judge = new StopJudge(rule, downtimeMs);
    this.#bandwidth = bandwidth ?? Infinity;
    this.pending = fullBitmap(options.machine.accel.userMemory.pages);
    this.#cancelled = new Promise((resolve) => {
      this.#cancelNow = () => {
        resolve("cancelled");
      };
    });
  }

  get rows(): readonly PassRow[] {
    return this.#rows;
  }

  /** The pass that is running, from 1. */
  get pass(): number {
    return this.#pass;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Gives up; the machine goes on here. False when it is too late, the machine has moved. */
  cancel(): boolean {
    if (this.#committed) return false;
    this.#cancelAsked = true;
    this.#cancelNow();
    return true;
  }

  /** Rejects with MigrationError when the target does not take the machine, which then goes on here. */
  async run(): Promise<MigrationResult> {
    const { machine, wallMs } = this.#o;
    const { accel } = machine;
    const started = wallMs?.();
    let typed: Uint8Array | undefined;
    let paused = false;
    try {
      this.#post(record("hello", { protocol, pages: accel.userMemory.pages, machine: machine.version }));
      await this.#expect("ready");
      // Compiled and in the caches before the machine waits for it.
      encode(machine.save());
      accel.setDirtyLog(true);
      for (;;) {
        const row = await this.#sendPass(false);
        if (this.#judge.stop(row.sent, row.remaining, this.#bandwidth)) break;
      }
      const running = this.#o.pause?.() ?? true;
      paused = true;
      const stopped = wallMs?.(), before = this.#bytes;
      join(this.pending, accel.dirtyLog());
      await this.#sendPass(true);
      typed = machine.takeTyped();
      this.#post(record("state", { machine: machine.save(), typed, running }));
      while (this.#acked < this.#chunks) await this.#ack();
      const { hash: other } = await this.#expect("loaded");
      // Only now: the target shall not share a core with a hash that nobody waits for.
      const own = machine.stateHash();
      if (other !== own) {
        throw new MigrationError("state hash", `${own} here, ${other} there`, "the source keeps the machine; report this");
      }
      this.#check();
      this.#committed = true;
      this.#post(hash("go", own));
      await this.#expect("running");
      accel.setDirtyLog(false);
      const now = wallMs?.();
      const last = this.#bytes - before;
      return {
        kind: "moved",
        rows: this.#rows,
        hash: own,
        bytes: this.#bytes,
        downtimeMs: now === undefined || stopped === undefined ? undefined : now - stopped,
        downtimeNs: this.#bandwidth === Infinity ? undefined : Math.ceil((last / this.#bandwidth) * 1e9),
        totalMs: now === undefined || started === undefined ? undefined : now - started,
      };
    } catch (error) {
      accel.setDirtyLog(false);
      if (this.#committed) throw error;
      if (typed) machine.type(typed);
      if (paused) this.#o.resume?.();
      this.#tellCancelled();
      if (!(error instanceof Cancelled)) throw error;
      return { kind: "cancelled", rows: this.#rows };
    }
  }

  async #sendPass(stopped: boolean): Promise<PassRow> {
    const { accel } = this.#o.machine;
    const set = this.pending.slice(), before = this.#bytes, began = this.#o.wallMs?.();
    let sent = 0;
    for (let page = nextPage(set, 0); page >= 0; ) {
      const chunk = new ChunkWriter();
      for (; page >= 0 && chunk.open; page = nextPage(set, page + 1)) {
        chunk.add(page, (n, into) => accel.userMemory.readPage(n, into));
        removePage(this.pending, page);
      }
      sent += chunk.pages;
      const message = chunk.finish(++this.#chunks);
      this.#post(message);
      if (!stopped) accel.freshenDigests(digestsPerChunk(this.#pass));
      this.#o.onProgress?.(this);
      while (this.#chunks - this.#acked >= window) await this.#ack();
      if (!stopped) await this.#o.between(message.length);
      this.#check();
    }
    while (!stopped && this.#acked < this.#chunks) await this.#ack();
    if (sent === 0 && !stopped) await this.#o.between(0);
    this.#check();
    const bytes = this.#bytes - before, ended = this.#o.wallMs?.();
    if (this.#o.bandwidth === undefined && began !== undefined && ended !== undefined && bytes >= minMeasured) {
      this.#bandwidth = ended > began ? (bytes / (ended - began)) * 1000 : Infinity;
    }
    this.#post(numbers("pass", this.#pass, sent));
    const dirty = stopped ? new Uint8Array(set.length) : accel.dirtyLog();
    join(this.pending, dirty);
    const row: PassRow = {
      pass: this.#pass++, sent, dirtiedAgain: countCommon(dirty, set), remaining: countPages(this.pending), bytes, stopped,
    };
    this.#rows.push(row);
    this.#o.onProgress?.(this);
    return row;
  }

  #post(message: Uint8Array<ArrayBuffer>): void {
    // Counted first: a port takes the bytes away.
    this.#bytes += message.length;
    this.#o.channel.send(message);
  }

  /** The target must not wait for the rest, if it still listens. */
  #tellCancelled(): void {
    try {
      this.#o.channel.send(plain("cancel"));
    } catch {
      // The channel is gone, and the target has noticed that.
    }
  }

  #check(): void {
    if (this.#cancelAsked && !this.#committed) throw new Cancelled();
  }

  async #ack(): Promise<void> {
    const { number } = await this.#expect("ack");
    if (number !== this.#acked + 1) throw new MigrationError("migration stream", `chunk ${number} acknowledged out of turn`);
    this.#acked = number;
  }

  async #expect<K extends Message["kind"]>(kind: K): Promise<Extract<Message, { kind: K }>> {
    const bytes = this.#committed
      ? await this.#o.channel.receive()
      : await Promise.race([this.#cancelled, this.#o.channel.receive()]);
    if (bytes === "cancelled") throw new Cancelled();
    if (bytes === undefined) throw new MigrationError("migration target", "has closed the channel");
    const message = parse(bytes);
    if (message.kind === "refused") throw new MigrationError("migration target", message.reason);
    if (message.kind !== kind) throw new MigrationError("migration target", `sent ${message.kind} where ${kind} was due`);
    return message as Extract<Message, { kind: K }>;
  }
}

class Cancelled extends Error {}
