import { type AccelVm, type Observer, VitrineError } from "../../base/index.ts";
import { disassembleBytes } from "../../isa/index.ts";
import { Machine, type MachineStop } from "../machine.ts";
import { type Channel, type MigrationResult, MigrationSource, MigrationTarget } from "../migrate/index.ts";
import { Pace } from "./pace.ts";
import { pagingMode, tableRows, type Walk, walkPages } from "./paging.ts";
import type {
  DisassemblyLine, Frame, GuestConfig, Luggage, MigrateOptions, MigrationProgress, Observation, RunState, Stats, Wants,
} from "./protocol.ts";
import { SerialLog } from "./seriallog.ts";

/** What a session is given by the worker that hosts it: accelerators, wall time, a turn of the event loop. */
export interface SessionHost {
  open(config: GuestConfig): Promise<{ vm: AccelVm; observer: Observer }>;
  /** Wall time in milliseconds. */
  now(): number;
  /** Calls `turn` from the event loop: at once when ms is 0. */
  later(turn: () => void, ms: number): void;
}

interface Running {
  readonly vm: AccelVm;
  readonly observer: Observer;
  readonly machine: Machine;
  /** Marks since the last dirty(), since the last look of the map, and pages ever touched. */
  readonly forApi: Uint8Array;
  readonly forMap: Uint8Array;
  readonly touched: Uint8Array;
}

const CODE_LINES = 14;
const TOUCHED = 4;
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
  #speed = { instructions: 0, since: 0, value: 0 };

  constructor(host: SessionHost) {
    this.#host = host;
    this.#pace = new Pace(() => host.now());
  }

  /** Builds the machine and starts it; throws LoadError for a bad image and leaves the session empty. */
  async boot(config: GuestConfig): Promise<void> {
    await this.#build(config);
    this.resume();
  }

  /** Takes a machine from another session, made from the same config; it stands as it stood there. */
  async receive(config: GuestConfig, channel: Channel): Promise<string> {
    const { machine } = await this.#build(config);
    try {
      const { hash } = await new MigrationTarget({ machine, channel }).run();
      return hash;
    } catch (error) {
      this.#guest = undefined;
      this.#state = "empty";
      throw error;
    }
  }

  /** Moves the machine to whoever is at the other end; it runs here meanwhile, if it ran. */
  async migrateTo(channel: Channel, options: MigrateOptions, report: (p: MigrationProgress) => void): Promise<MigrationResult> {
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
      return result;
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

  /** What was left behind by a machine that has been received; it goes on here if it ran there. */
  unpack({ text, input, running }: Luggage): void {
    this.#log.precede(text);
    this.#input.unshift(...input);
    this.#feed();
    if (running) this.resume();
  }

  async #build(config: GuestConfig): Promise<Running> {
    if (this.#migration) throw new VitrineError("session", "machine", "is moving", "cancel the migration first");
    this.#generation++;
    this.#held = false;
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
    const pages = config.ramSize / 4096;
    const marks = () => new Uint8Array(pages);
    this.#state = "paused";
    const guest: Running = { vm, observer, machine, forApi: marks(), forMap: marks(), touched: marks() };
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
    const guest = this.#need();
    this.#gather(guest);
    const pages: number[] = [];
    guest.forApi.forEach((mark, page) => { if (mark & 1) pages.push(page); });
    guest.forApi.fill(0);
    return pages;
  }

  stats(): Stats {
    const { vm, observer } = this.#need();
    const counters = observer.counters();
    const exits = observer.exits()?.counts ?? [];
    const t = vm.clock.now();
    return {
      ...counters, instructions: t, virtual_ns: t, speed: this.#speed.value, exits: Object.fromEntries(exits),
      exits_total: exits.reduce((sum, [, n]) => sum + n, 0), tlb_misses: counters.tlbMisses,
      walk_refs: counters.walkReferences,
    };
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
      observation: guest && wants.observe ? this.#observe(guest, wants) : undefined,
    };
  }

  #observe(guest: Running, wants: Wants): Observation {
    const { vm, observer, machine } = guest;
    const regs = vm.regs();
    const sregs = vm.sregs();
    const bits = sregs.cs.l && (sregs.efer >> 10n) & 1n ? 64 : sregs.cs.db ? 32 : 16;
    let marks: Uint8Array | undefined;
    if (wants.marks) {
      this.#gather(guest);
      marks = guest.forMap.map((mark, page) => mark | (guest.touched[page] ?? 0));
      guest.forMap.fill(0);
    }
    return {
      regs, sregs, cpl: observer.cpl(), paging: pagingMode(sregs), bits, marks,
      code: this.#code(guest, sregs.cs.base + regs.rip, bits), stats: this.stats(), exits: observer.exits(),
      tables: wants.tables.map((r) => tableRows(vm.memory, sregs, r.table, r.level, r.gva)),
      walk: wants.address === undefined ? undefined : walkPages(vm.memory, sregs, wants.address),
      screen: wants.screen ? machine.vga.screen() : undefined,
    };
  }

  /** Disassembly from RIP on, as far as the code is mapped. */
  #code({ vm }: Running, from: bigint, bits: 16 | 32 | 64): DisassemblyLine[] {
    const sregs = vm.sregs();
    const bytes: number[] = [];
    for (let i = 0; i < CODE_LINES * 15; i++) {
      const { gpa } = walkPages(vm.memory, sregs, BigInt.asUintN(64, from + BigInt(i)));
      if (gpa === undefined) break;
      const chunk = new Uint8Array(Math.min(4096 - Number(gpa & 4095n), CODE_LINES * 15 - i));
      vm.memory.read(Number(gpa), chunk);
      bytes.push(...chunk);
      i += chunk.length - 1;
    }
    const all = Uint8Array.from(bytes);
    const lines: DisassemblyLine[] = [];
    for (let at = 0; at < all.length && lines.length < CODE_LINES; ) {
      const address = BigInt.asUintN(64, from + BigInt(at));
      const { text, length } = disassembleBytes(all, bits, at, address);
      const raw = all.subarray(at, at + Math.max(length, 1));
      lines.push({ address, text, bytes: [...raw].map((b) => b.toString(16).padStart(2, "0")).join(" ") });
      at += Math.max(length, 1);
    }
    return lines;
  }

  #gather({ observer, forApi, forMap, touched }: Running): void {
    const fresh = new Uint8Array(forApi.length);
    observer.takeMarks(fresh);
    for (let page = 0; page < fresh.length; page++) {
      const mark = fresh[page] ?? 0;
      if (mark === 0) continue;
      forApi[page] = (forApi[page] ?? 0) | mark;
      forMap[page] = (forMap[page] ?? 0) | mark;
      touched[page] = TOUCHED;
    }
  }

  #turn(mine: number): void {
    const guest = this.#guest;
    if (mine !== this.#generation || !guest) return;
    this.#feed();
    const t = guest.vm.clock.now();
    const until = this.#pace.limit(t);
    if (until > t) {
      const before = this.#host.now();
      const stop = this.#run(until);
      const ms = this.#host.now() - before;
      const ran = guest.vm.clock.now() - t;
      this.#pace.took(ran, ms);
      this.#count(ran);
      this.#finish(stop);
      if (this.#state !== "running") return;
    }
    this.#host.later(() => { this.#turn(mine); }, until > t ? 0 : 1);
  }

  /** The guest's clock against wall time; HLT moves the clock, too. */
  #count(instructions: number): void {
    const speed = this.#speed;
    speed.instructions += instructions;
    const now = this.#host.now(), ms = now - speed.since;
    if (ms < 500) return;
    speed.value = (speed.instructions / ms) * 1000;
    speed.instructions = 0;
    speed.since = now;
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

function endingOf(stop: MachineStop): string {
  switch (stop.kind) {
    case "halt": return "The guest halted with nothing left that could wake it.";
    case "shutdown": return "Triple fault: the processor shut down (KVM_EXIT_SHUTDOWN). Memory and registers are kept.";
    case "exit": return `The guest ended the machine (${stop.cause}) with status ${stop.status}.`;
    case "error": return `Internal error: ${stop.message}. Memory is kept.`;
    default: return "";
  }
}
