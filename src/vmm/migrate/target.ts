import type { Machine } from "../machine.ts";
import { VitrineError } from "../../base/index.ts";
import { addPage, countPages } from "./bitmap.ts";
import type { Channel } from "./channel.ts";
import { MigrationError } from "./errors.ts";
import { hash, type Message, numbers, parse, plain, protocol, refusal } from "./message.ts";

export interface TargetOptions {
  /** Made with the options of the source's machine, and not running. */
  readonly machine: Machine;
  readonly channel: Channel;
  /**
   * Called when the state has come, before the hashes are compared: the machine may run from here on, and did so
   * there when `ran`. Nothing it says may get out before run() resolves; if run() rejects it never ran.
   */
  readonly start?: (ran: boolean) => void;
  /** A turn of the loop that runs a started machine: the hash is computed after it. */
  readonly turn?: () => Promise<void>;
  /** After each chunk and each pass. */
  readonly onProgress?: (target: MigrationTarget) => void;
}

export interface TargetResult {
  /** State hash, the same on both sides. */
  readonly hash: string;
  /** Pages sent in each pass. */
  readonly passes: readonly number[];
}

/** Page digests brought up to date with each chunk: as many as it can hold, so that none waits for the pause. */
const digestsPerChunk = 128;

/** The side that gets the machine. */
export class MigrationTarget {
  readonly #o: TargetOptions;
  readonly #passes: number[] = [];
  /** Pages that have come at least once. */
  readonly received: Uint8Array;
  #chunks = 0;

  constructor(options: TargetOptions) {
    this.#o = options;
    this.received = new Uint8Array(Math.ceil(options.machine.accel.userMemory.pages / 8));
  }

  get passes(): readonly number[] {
    return this.#passes;
  }

  /**
   * Resolves when the machine is this side's; the caller runs it unless start() has. Rejects with MigrationError when
   * the source gave up or the stream is not to be believed; the machine is then of no use until it is reset or restored.
   */
  async run(): Promise<TargetResult> {
    const { machine, channel } = this.#o;
    try {
      const hello = await this.#expect("hello");
      const { pages } = machine.accel.userMemory;
      if (hello.protocol !== protocol) throw refused(`protocol ${hello.protocol}`, "use the same version on both sides");
      if (hello.machine !== machine.version) throw refused(`machine version ${hello.machine}`, "use the same version on both sides");
      if (hello.pages !== pages) throw refused(`${hello.pages} pages for a machine of ${pages}`, "give both sides the same options");
      // What the pause will need is compiled, and the digests of a fresh machine are taken, while nobody waits.
      machine.restore(machine.save());
      machine.stateHash();
      channel.send(plain("ready"));
      const state = await this.#pages(pages);
      machine.restore(state.machine);
      machine.type(state.typed);
      const arrived = machine.hashParts();
      this.#o.start?.(state.running);
      await this.#o.turn?.();
      const own = machine.hashOf(arrived);
      channel.send(hash("loaded", own));
      const go = await this.#expect("go");
      if (go.hash !== own) throw refused(`state hash ${go.hash}, but ${own} here`);
      channel.send(plain("running"));
      return { hash: own, passes: this.#passes };
    } catch (error) {
      const reason = error instanceof VitrineError ? error : new MigrationError("migration target", String(error));
      if (!(error instanceof SourceGone)) channel.send(refusal(`${reason.object}: ${reason.value}`));
      throw error instanceof MigrationError ? error : new MigrationError(reason.object, reason.value, reason.cure);
    }
  }

  /** Takes pages until the state comes. */
  async #pages(count: number): Promise<Extract<Message, { kind: "state" }>> {
    const { machine, channel } = this.#o;
    const { accel } = machine;
    for (;;) {
      const message = await this.#receive();
      switch (message.kind) {
        case "pages":
          if (message.number !== this.#chunks + 1) throw refused(`chunk ${message.number} after ${this.#chunks}`);
          this.#chunks++;
          for (const { page, bytes } of message.entries) {
            if (page >= count) throw refused(`page ${page} of ${count}`);
            accel.userMemory.writePage(page, bytes);
            addPage(this.received, page);
          }
          channel.send(numbers("ack", message.number));
          accel.freshenDigests(digestsPerChunk);
          break;
        case "pass":
          this.#passes.push(message.sent);
          break;
        case "state": {
          const missing = count - countPages(this.received);
          if (missing > 0) throw refused(`the state before ${missing} of ${count} pages`);
          return message;
        }
        default:
          throw refused(`${message.kind} among the pages`);
      }
      this.#o.onProgress?.(this);
    }
  }

  async #receive(): Promise<Message> {
    const bytes = await this.#o.channel.receive();
    if (bytes === undefined) throw new SourceGone("migration source", "has closed the channel");
    const message = parse(bytes);
    if (message.kind === "cancel") throw new SourceGone("migration source", "has cancelled");
    return message;
  }

  async #expect<K extends Message["kind"]>(kind: K): Promise<Extract<Message, { kind: K }>> {
    const message = await this.#receive();
    if (message.kind !== kind) throw refused(`${message.kind} where ${kind} was due`);
    return message as Extract<Message, { kind: K }>;
  }
}

/** Nobody is there to be told. */
class SourceGone extends MigrationError {}

function refused(what: string, cure?: string): MigrationError {
  return new MigrationError("migration stream", what, cure);
}
