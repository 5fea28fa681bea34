import { type AccelVm, type Observer, VitrineError } from "../../base/index.ts";
import { Machine, type MachineStop } from "../machine.ts";
import { type Channel, MigrationSource, MigrationTarget } from "../migrate/index.ts";
import { endingOf } from "./ending.ts";
import { Pace } from "./pace.ts";
import { type Walk, walkPages } from "./paging.ts";
import type { Arrival, Departure, Frame, GuestConfig, Luggage, MigrateOptions, MigrationProgress, RunState, Stats, Wants } from "./protocol.ts";
import { SerialLog } from "./seriallog.ts";
import { Speed } from "./speed.ts";
import { observe, type Running, running, statsOf, takeDirty } from "./view.ts";

/** What a session is given by the worker that hosts it: accelerators, wall time, a turn of the event loop. */
export interface SessionHost {
  open(config: GuestConfig): Promise<{ vm: AccelVm; observer: Observer }>;
  /** Wall time in milliseconds, the same for every session of the page. */
  now(): number;
  /** Calls `turn` from the event loop: at once when ms is 0. */
  later(turn: () => void, ms: number): void;
}

const UNPACED_SLICE = 4_000_000;
/** Clock ticks between two looks for an exit, and looks between two turns of the event loop. */
const EXIT_SLICE = 200;
const STEPS = 2000;
const READ_LIMIT = 64 << 20;
/** Between two reports of a migration. */
const PROGRESS_MS = 100;

/** One machine and its run loop. Everything the page knows about a machine comes from here. */
export class MachineSession {
  readonly #host: SessionHost;
  readonly #pace: Pace;
  readonly #log = new SerialLog();
  #guest: Running | undefined;
  #state: RunState = "empty";
  #ending: string | undefined;
  #input: Uint8Array[] = [];
  #generation = 0;
  #migration: MigrationSource | undefined;
  /** The machine's last pages are under way, or it has left: nothing may change it here. */
  #held = false;
  #leftRunning = false;
  /** When the last slice ended, and when the first one began. */
  #lastRan: number | undefined;
  #firstRan: number | undefined;
  readonly #speed: Speed;

  constructor(host: SessionHost) {
    this.#host = host;
    this.#pace = new Pace(() => host.now());
    this.#speed = new Speed(() => host.now());
  }

  /** Builds the machine and starts it; throws LoadError for a bad image and leaves the session empty. */
  async boot(config: GuestConfig): Promise<void> {
    await this.#build(config);
    this.resume();
  }

  /** Takes a machine from another session, made from the same config; it runs on here if it ran there. */
  async receive(config: GuestConfig, channel: Channel): Promise<Arrival> {
    const { machine } = await this.#build(config);
    const start = (ran: boolean) => {
      if (ran) this.resume();
    };
    const turn = () => new Promise<void>((done) => { this.#host.later(done, 0); });
    try {
      const { hash } = await new MigrationTarget({ machine, channel, start, turn }).run();
      return { hash, ranFrom: this.#firstRan };
    } catch (error) {
      this.pause();
      this.#guest = undefined;
      this.#state = "empty";
      throw error;
    }
  }

  /** Moves the machine to whoever is at the other end; it runs here meanwhile, if it ran. */
  async migrateTo(channel: Channel, options: MigrateOptions, report: (p: MigrationProgress) => void): Promise<Departure> {
    const { machine } = this.#need();
    if (this.#migration) throw new VitrineError("session", "migration", "is under way", "wait for it or cancel it");
    if (this.#state === "stopped") throw new VitrineError("session", "migration", "the guest has ended", "boot one that runs");
    const { stop: rule, ...limits } = options;
    const { pages } = machine.accel.userMemory;
    let told = Number.NEGATIVE_INFINITY;
    const progress = (s: MigrationSource) => {
      report({ pass: s.pass, bytes: s.bytes, rows: [...s.rows], pages, pending: s.pending.slice() });
    };
    const source = new MigrationSource({
      machine, channel, ...limits, ...(rule ? { rule } : {}), wallMs: () => this.#host.now(),
      between: () => new Promise((turn) => { this.#host.later(turn, 0); }),
      pause: () => {
        this.#leftRunning = this.#state === "running";
        this.pause();
        this.#held = true;
        return this.#leftRunning;
      },
      resume: () => {
        this.#held = false;
        if (this.#leftRunning) this.resume();
      },
      onProgress: (s) => {
        if (this.#host.now() - told < PROGRESS_MS) return;
        told = this.#host.now();
        progress(s);
      },
    });
    this.#migration = source;
    try {
      const result = await source.run();
      progress(source);
      if (result.kind === "moved") this.#state = "stopped";
      return { ...result, ranUntil: this.#leftRunning ? this.#lastRan : undefined };
    } finally {
      this.#migration = undefined;
    }
  }

  /** The machine stays; false when it is too late. */
  cancelMigration(): boolean {
    return this.#migration?.cancel() ?? false;
  }

  /** After the machine has moved: what it had still to say and to be told. */
  leave(): Luggage {
    const input = this.#input;
    this.#input = [];
    return { fresh: this.#log.take(), text: this.#log.text, input, running: this.#leftRunning };
  }

  /** What was left behind by a machine that has been received. */
  unpack({ text, input }: Luggage): void {
    this.#log.precede(text);
    this.#input.unshift(...input);
    this.#feed();
  }

  async #build(config: GuestConfig): Promise<Running> {
    if (this.#migration) throw new VitrineError("session", "machine", "is moving", "cancel the migration first");
    this.#generation++;
    this.#held = false;
    this.#firstRan = undefined;
    this.#guest = undefined;
    this.#state = "empty";
    this.#ending = undefined;
    this.#input = [];
    this.#log.clear();
    const { vm, observer } = await this.#host.open(config);
    const machine = new Machine(vm, {
      ramSize: config.ramSize, kernel: config.kernel, initrd: config.initrd, bios: config.bios, append: config.append,
      vgaBios: config.vgaBios?.bytes, rtcBase: config.rtcBase, onSerial: (bytes) => { this.#log.put(bytes); },
      onDebug: () => {},
    });
    this.#state = "paused";
    const guest = running(vm, observer, machine, config.ramSize);
    this.#guest = guest;
    return guest;
  }

  pause(): void {
    if (this.#state !== "running") return;
    this.#state = "paused";
    this.#generation++;
  }

  resume(): void {
    const guest = this.#guest;
    if (!guest || this.#held || this.#state === "running" || this.#state === "stopped") return;
    this.#state = "running";
    this.#pace.start(guest.vm.clock.now());
    const mine = ++this.#generation;
    this.#host.later(() => { this.#turn(mine); }, 0);
  }

  /** One instruction, or an idle CPU's way to its next event. */
  step(): void {
    const { vm } = this.#paused();
    this.#finish(this.#run(vm.clock.now() + 1));
  }

  /** Runs, paused, until the clock reads t. */
  async runTo(t: number): Promise<void> {
    const { vm } = this.#paused();
    const mine = this.#generation;
    while (vm.clock.now() < t && this.#state === "paused" && mine === this.#generation) {
      this.#finish(this.#run(Math.min(t, vm.clock.now() + UNPACED_SLICE)));
      await new Promise<void>((turn) => { this.#host.later(turn, 0); });
    }
  }

  /** Runs to just behind the next VM exit. */
  async stepExit(): Promise<void> {
    const { vm, observer } = this.#paused();
    const exits = () => observer.exits()?.counts.reduce((sum, [, n]) => sum + n, 0);
    const before = exits();
    if (before === undefined) {
      throw new VitrineError("unavailable", "next exit", "this guest runs on the bare CPU", "boot it under KVM");
    }
    const mine = this.#generation;
    while (exits() === before && this.#state === "paused" && mine === this.#generation) {
      for (let n = 0; n < STEPS && exits() === before; n++) this.#finish(this.#run(vm.clock.now() + EXIT_SLICE));
      await new Promise<void>((turn) => { this.#host.later(turn, 0); });
    }
  }

  send(bytes: Uint8Array): void {
    this.#need();
    this.#input.push(bytes);
    this.#feed();
  }

  key(code: string, down: boolean): void {
    this.#guest?.machine.i8042.key(code, down);
  }

  serial(): string {
    return this.#log.text;
  }

  waitForSerial(text: string): Promise<void> {
    return this.#log.wait(text);
  }

  readPhysical(gpa: number, length: number): Uint8Array {
    if (!(length >= 0 && length <= READ_LIMIT)) {
      throw new VitrineError("config", "length", String(length), `read at most ${READ_LIMIT} bytes at once`);
    }
    const bytes = new Uint8Array(length);
    this.#need().vm.memory.read(gpa, bytes);
    return bytes;
  }

  translate(gva: bigint): Walk {
    const { vm } = this.#need();
    return walkPages(vm.memory, vm.sregs(), gva);
  }

  /** Numbers of the pages written since the last call. */
  dirty(): number[] {
    return takeDirty(this.#need());
  }

  stats(): Stats {
    return statsOf(this.#need(), this.#speed.value);
  }

  /** SHA-256 of the whole machine, as `npx vitrine -state-hash` prints it. */
  stateHash(): string {
    return this.#paused().machine.stateHash();
  }

  /** The next frame for the page. */
  frame(wants: Wants): Frame {
    const guest = this.#guest;
    return {
      state: this.#state, t: guest?.vm.clock.now() ?? 0, serial: this.#log.take(), ending: this.#ending,
      observation: guest && wants.observe ? observe(guest, wants, this.#speed.value) : undefined,
    };
  }

  #turn(mine: number): void {
    const guest = this.#guest;
    if (mine !== this.#generation || !guest) return;
    this.#feed();
    const t = guest.vm.clock.now();
    const until = this.#pace.limit(t);
    if (until > t) {
      const before = this.#host.now();
      this.#firstRan ??= before;
      const stop = this.#run(until);
      this.#lastRan = this.#host.now();
      const ms = this.#lastRan - before;
      const ran = guest.vm.clock.now() - t;
      this.#pace.took(ran, ms);
      this.#speed.count(ran);
      this.#finish(stop);
      if (this.#state !== "running") return;
    }
    this.#host.later(() => { this.#turn(mine); }, until > t ? 0 : 1);
  }

  #run(untilT: number): MachineStop {
    if (this.#held) throw new VitrineError("session", "machine", "is moving", "wait for the migration to end");
    return this.#need().machine.run(untilT);
  }

  #finish(stop: MachineStop): void {
    if (stop.kind === "budget" || stop.kind === "stopped") return;
    this.#state = "stopped";
    this.#ending = endingOf(stop);
  }

  /** Moves what was typed into the UART as it has room. */
  #feed(): void {
    const uart = this.#held ? undefined : this.#guest?.machine.uart;
    while (uart && this.#input[0]) {
      const taken = uart.receive(this.#input[0]);
      if (taken < this.#input[0].length) {
        this.#input[0] = this.#input[0].subarray(taken);
        return;
      }
      this.#input.shift();
    }
  }

  #need(): Running {
    if (this.#guest) return this.#guest;
    throw new VitrineError("session", "machine", "none is booted", "boot a guest first");
  }

  #paused(): Running {
    this.pause();
    return this.#need();
  }
}
