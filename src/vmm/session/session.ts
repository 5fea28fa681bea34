import { type AccelVm, type Observer, VitrineError } from "../../base/index.ts";
import { Machine, type MachineStop } from "../machine.ts";
import { type Channel, MigrationSource, MigrationTarget } from "../migrate/index.ts";
import { endingOf } from "./ending.ts";
import { give, InputLog, type KeyInput, type StampedInput } from "./inputlog.ts";
import { Pace } from "./pace.ts";
import type { Translation } from "./nested.ts";
import type { Arrival, Departure, Ending, Frame, GuestConfig, Luggage, MigrateOptions, MigrationProgress, RunState, Stats, Wants } from "./protocol.ts";
import { SerialLog } from "./seriallog.ts";
import { Speed } from "./speed.ts";
import { checkSum, readStateFile, writeStateFile } from "./statefile.ts";
import { observe, type Running, running, statsOf, takeDirty, translateIn } from "./view.ts";

/** What a session is given by the worker that hosts it: accelerators, wall time, a turn of the event loop. */
export interface SessionHost {
  open(config: GuestConfig): Promise<{ vm: AccelVm; observer: Observer }>;
  /** Wall time in milliseconds, the same for every session of the page. */
  now(): number;
  /** Calls `turn` from the event loop: at once when ms is 0. */
  later(turn: () => void, ms: number): void;
}

/** Without regard to wall time: a few milliseconds. */
const UNPACED_SLICE = 1_000_000;
/** VM exits in one slice: about as long as a slice lasts. */
const PATIENCE = 1000;
const READ_LIMIT = 64 << 20;
/** Between two reports of a migration. */
const PROGRESS_MS = 100;
/** Keys that wait while the machine is on its way. */
const MOST_KEYS = 4096;

/** One machine and its run loop. Everything the page knows about a machine comes from here. */
export class MachineSession {
  readonly #host: SessionHost;
  readonly #pace: Pace;
  readonly #log = new SerialLog();
  #guest: Running | undefined;
  #state: RunState = "empty";
  #ending: Ending | undefined;
  #input: Uint8Array[] = [];
  #keys: KeyInput[] = [];
  readonly #inputs = new InputLog();
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

  /** Builds the machine and starts it, unless it is to wait; throws LoadError for a bad image and leaves the session empty. */
  async boot(config: GuestConfig): Promise<void> {
    await this.#build(config);
    if (!config.paused) this.resume();
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
    const keys = this.#keys;
    this.#keys = [];
    return { fresh: this.#log.take(), text: this.#log.text, input, keys, running: this.#leftRunning };
  }

  /** What was left behind by a machine that has been received. */
  unpack({ text, input, keys }: Luggage): void {
    this.#log.precede(text);
    this.#input.unshift(...input);
    this.#keys.unshift(...keys);
    this.#feed();
  }

  async #build(config: GuestConfig): Promise<Running> {
    if (this.#migration) throw new VitrineError("session", "machine", "is moving", "cancel the migration first");
    this.#clear();
    const guest = await this.#open(config);
    this.#state = "paused";
    this.#guest = guest;
    return guest;
  }

  async #open(config: GuestConfig): Promise<Running> {
    const { vm, observer } = await this.#host.open(config);
    vm.patience = PATIENCE;
    const machine = new Machine(vm, {
      ramSize: config.ramSize, cpus: config.cpus ?? 1, kernel: config.kernel, initrd: config.initrd, bios: config.bios, append: config.append,
      vgaBios: config.vgaBios?.bytes, vga: config.vga, rtcBase: config.rtcBase, onSerial: (bytes) => { this.#log.put(bytes); },
      onDebug: () => {},
    });
    return running(vm, observer, machine, config);
  }

  /** The whole machine as it stands, as a file that restoreState takes, in this page or another. */
  saveState(): Uint8Array {
    const { vm, machine, config } = this.#need();
    if (this.#held) throw new VitrineError("session", "machine", "is moving", "wait for the migration to end");
    return writeStateFile({ config, serial: this.#log.text, machine: machine.saveFile() }, (bytes) => vm.sha256(bytes));
  }

  /** Replaces the machine by a saved one, paused. Throws StateError for a bad file and leaves the present one as it is. */
  async restoreState(file: Uint8Array): Promise<GuestConfig> {
    if (this.#migration) throw new VitrineError("session", "machine", "is moving", "cancel the migration first");
    const { config, serial, machine } = readStateFile(file);
    const guest = await this.#open(config);
    checkSum(file, (bytes) => guest.vm.sha256(bytes));
    guest.machine.loadFile(machine);
    this.#clear();
    this.#state = "paused";
    this.#guest = guest;
    this.#log.put(Uint8Array.from(serial, (c) => c.charCodeAt(0)));
    return config;
  }

  #clear(): void {
    this.#generation++;
    this.#held = false;
    this.#firstRan = undefined;
    this.#guest = undefined;
    this.#state = "empty";
    this.#ending = undefined;
    this.#input = [];
    this.#keys = [];
    this.#inputs.clear();
    this.#log.clear();
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

  /** Runs as fast as it can until the clock reads t, then pauses. Answers where it came to: less when it ended or was paused. */
  async runTo(t: number): Promise<number> {
    const { vm } = this.#paused();
    await this.#race(() => vm.clock.now() >= t, () => Math.min(t, vm.clock.now() + UNPACED_SLICE));
    return vm.clock.now();
  }

  /** Runs to just behind the next VM exit: what it asked for has been done, and no further instruction. */
  async stepExit(): Promise<void> {
    const { vm, observer } = this.#paused();
    if (!observer.exits()) {
      throw new VitrineError("unavailable", "next exit", "this guest runs on the bare CPU", "boot it under KVM");
    }
    let hit = false;
    observer.onExit(() => {
      hit = true;
      vm.stop();
    });
    try {
      await this.#race(() => hit, () => vm.clock.now() + UNPACED_SLICE);
    } finally {
      observer.onExit(undefined);
    }
  }

  /** Runs until it is over, unless someone pauses or resumes it or it ends. */
  async #race(over: () => boolean, until: () => number): Promise<void> {
    if (this.#state !== "paused" || over()) return;
    this.#state = "running";
    const mine = ++this.#generation;
    while (this.#state === "running" && mine === this.#generation && !over()) {
      this.#feed();
      this.#finish(this.#run(until()));
      if (!over()) await new Promise<void>((turn) => { this.#host.later(turn, 0); });
    }
    if (mine === this.#generation) this.pause();
  }

  send(bytes: Uint8Array): void {
    this.#need();
    this.#input.push(bytes);
    this.#feed();
  }

  /** Keys and the pointer: the machine gets them between two slices. */
  key(code: string, down: boolean): void {
    this.#press({ kind: "key", code, down });
  }
  pointer(dx: number, dy: number, wheel: number, buttons: number): void {
    this.#press({ kind: "pointer", dx, dy, wheel, buttons });
  }
  #press(input: KeyInput): void {
    if (!this.#guest || this.#keys.length >= MOST_KEYS) return;
    this.#keys.push(input);
    this.#feed();
  }

  /** What the machine was given so far, each with its t. */
  inputs(): readonly StampedInput[] {
    return this.#inputs.entries;
  }

  serial(): string {
    return this.#log.text;
  }

  waitForSerial(text: string): Promise<void> {
    return this.#log.wait(text);
  }

  readPhysical(gpa: number, length: number): Uint8Array {
    const bytes = readable(gpa, length);
    this.#need().vm.memory.read(gpa, bytes);
    return bytes;
  }

  /** Bytes of the host's memory, where EPT lies; throws on the bare machine, which has no host below it. */
  readHost(hpa: number, length: number): Uint8Array {
    const second = this.#need().observer.secondStage();
    if (!second) throw new VitrineError("unavailable", "host memory", "this guest runs on the bare CPU", "boot it under KVM");
    const bytes = readable(hpa, length);
    second.readHost(hpa, bytes);
    return bytes;
  }

  /** Every reference of the translation of a linear address, as the tables stand now. */
  translate(gva: bigint): Translation {
    return translateIn(this.#need(), gva);
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
      screen: wants.screen ? guest?.monitor.look(wants.screen === "whole") : undefined,
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

  /** Hands over keys, and what was typed as the UART has room for it. */
  #feed(): void {
    const machine = this.#held ? undefined : this.#guest?.machine;
    if (!machine) return;
    const t = machine.accel.clock.now();
    for (const input of this.#keys.splice(0)) {
      give(machine, input);
      this.#inputs.record(t, input);
    }
    while (this.#input[0]) {
      const taken = give(machine, { kind: "serial", bytes: this.#input[0] });
      if (taken > 0) this.#inputs.record(t, { kind: "serial", bytes: this.#input[0].slice(0, taken) });
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

/** Room for a read that a caller asks for. */
function readable(address: number, length: number): Uint8Array {
  if (!(Number.isSafeInteger(address) && address >= 0)) {
    throw new VitrineError("config", "address", String(address), "give a whole number of 0 or more");
  }
  if (!(length >= 0 && length <= READ_LIMIT)) {
    throw new VitrineError("config", "length", String(length), `read at most ${READ_LIMIT} bytes at once`);
  }
  return new Uint8Array(length);
}
