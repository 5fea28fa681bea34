import type { IrqLine } from "../base/bus.ts";
import type { Clock } from "../base/clock.ts";
import { StateError, VitrineError } from "../base/errors.ts";
import type { Persist, Saved } from "../base/persist.ts";
import { SavedRecord } from "../base/saved.ts";
import { ApicBus } from "./apic-bus.ts";
import { I8254 } from "./i8254.ts";
import { I8259 } from "./i8259.ts";
import { Ioapic, ioapicPins, type LineWatch } from "./ioapic.ts";
import { Lapic } from "./lapic.ts";
import type { LapicSignals } from "./lapic.ts";

/** Where a GSI leads; one GSI may have several routes. */
export type GsiRoute =
  | { readonly gsi: number; readonly kind: "pic" | "ioapic"; readonly pin: number }
  | { readonly gsi: number; readonly kind: "msi"; readonly address: number; readonly data: number };

/** Signals to one processor, besides its interrupt line. */
export interface CpuSignals {
  nmi(cpu: number): void;
  smi(cpu: number): void;
  init(cpu: number): void;
  startUp(cpu: number, vector: number): void;
}

export interface IrqchipOptions {
  readonly clock: Clock;
  readonly cpus: number;
  readonly signals: CpuSignals;
  /** The answer of pendingInterrupt(cpu) changed. */
  readonly onChange: (cpu: number) => void;
  /** False leaves the PIT out: pit is then null and GSI 0 is free. */
  readonly pit?: boolean;
  /** A level-triggered GSI got its EOI at the IOAPIC. */
  readonly onEoi?: (gsi: number) => void;
  readonly physicalBits?: number;
  /** The local APICs are elsewhere: what carries the IOAPIC's messages there, and their state. The PIC's line is then pic.intr, and each change of it is one for all CPUs. */
  readonly remote?: { readonly bus: ApicBus; readonly lapics: readonly LapicState[] };
}
/** A local APIC as far as saving goes. */
export type LapicState = Pick<Persist, "save" | "restore">;

export const maxGsis = 256;
const maxRoutes = 1024;
export const maxCpus = 32;
/** Sources that may share a GSI wire; the wire is high while any of them is. */
export const GsiSource = { user: 0, pit: 1, rtc: 2, hpet: 3, pci: 4 } as const;
const maxSources = 32;

/** GSI 0-15 go to PIC and IOAPIC, 16-23 to the IOAPIC alone; ISA IRQ0 arrives at IOAPIC pin 2. */
export function defaultRoutes(): GsiRoute[] {
  const routes: GsiRoute[] = [];
  for (let gsi = 0; gsi < ioapicPins; gsi++) {
    if (gsi < 16 && gsi !== 2) routes.push({ gsi, kind: "pic", pin: gsi });
    routes.push({ gsi, kind: "ioapic", pin: gsi === 0 ? 2 : gsi });
  }
  return routes;
}

/**
 * The interrupt controllers of a PC, wired: PIC pair, IOAPIC, one local APIC a CPU and the PIT. A CPU sees
 * one interrupt line and one acknowledge cycle. Routing follows KVM's KVM_CREATE_IRQCHIP ("GSI" there).
 */
export class Irqchip implements Persist {
  readonly id = "irqchip";
  readonly version = 1;
  readonly pic: I8259;
  readonly ioapic: Ioapic;
  readonly lapics: readonly Lapic[];
  readonly pit: I8254 | null;
  readonly bus: ApicBus;
  readonly #remote: readonly LapicState[] | undefined;
  readonly #onChange: (cpu: number) => void;
  readonly #onEoi: (gsi: number) => void;
  /** What pendingInterrupt answers, one byte a CPU. */
  readonly #pending: Uint8Array;
  /** Asserting sources of each GSI, one bit each. */
  readonly #sources = new Uint32Array(maxGsis);
  #routes: readonly GsiRoute[] = [];
  #routesOf: GsiRoute[][] = [];
  /** GSIs that lead to each IOAPIC pin and each PIC input, which are high while any of those is. */
  #ioapicGsis: number[][] = [];
  #picGsis: number[][] = [];

  constructor({
    clock,
    cpus,
    signals,
    onChange,
    pit = true,
    onEoi = () => {},
    physicalBits,
    remote,
  }: IrqchipOptions) {
    if (!Number.isInteger(cpus) || cpus < 1 || cpus > maxCpus) {
      throw new VitrineError("config", "CPU count", String(cpus), `give 1 to ${maxCpus}`);
    }
    this.#onChange = onChange;
    this.#onEoi = onEoi;
    this.#pending = new Uint8Array(cpus);
    this.bus = remote?.bus ?? new ApicBus();
    this.#remote = remote?.lapics;
    const timer: LineWatch = {
      picInput: 0,
      ioapicPin: 2,
      wanted: () => this.pit?.reinject ?? false,
      ended: () => this.pit?.acknowledged(),
      opened: () => this.pit?.forgetMissed(),
    };
    this.pic = new I8259({ output: { set: (level) => this.#picChanged(level) }, watch: timer });
    this.ioapic = new Ioapic({ bus: this.bus, onEoi: (pin) => this.#ioapicEoi(pin), watch: timer });
    const lapics: Lapic[] = [];
    this.lapics = lapics;
    for (let cpu = 0; cpu < cpus && !remote; cpu++) {
      const own: LapicSignals = {
        nmi: () => signals.nmi(cpu),
        smi: () => signals.smi(cpu),
        init: () => signals.init(cpu),
        startUp: (vector) => signals.startUp(cpu, vector),
      };
      const bits = physicalBits === undefined ? {} : { physicalBits };
      lapics.push(
        new Lapic({ cpu, clock, bus: this.bus, signals: own, changed: () => this.#refresh(cpu), ...bits }),
      );
    }
    this.setRoutes(defaultRoutes());
    this.pit = pit ? new I8254({ clock, irq: this.line(0, GsiSource.pit) }) : null;
    for (let cpu = 0; cpu < cpus; cpu++) this.#refresh(cpu);
  }

  reset(): void {
    this.pic.reset();
    this.ioapic.reset();
    for (const lapic of this.lapics) lapic.reset();
    this.pit?.reset();
  }

  /** Sets the level of one source of a GSI; sources 0-31 are or-ed together. */
  setGsi(gsi: number, level: boolean, source: number = GsiSource.user): void {
    const before = this.#sources[gsi];
    if (before === undefined || source < 0 || source >= maxSources) return;
    const after = level ? before | (1 << source) : before & ~(1 << source);
    this.#sources[gsi] = after;
    // A repeated level passes nothing on; the last source to leave lowers the wire.
    if ((before === 0) === (after === 0)) return;
    this.#drive(gsi);
  }

  /** An edge: up and down again. */
  pulseGsi(gsi: number, source: number = GsiSource.user): void {
    this.setGsi(gsi, true, source);
    this.setGsi(gsi, false, source);
  }

  /** The wire of a GSI for a device to hold. */
  line(gsi: number, source: number): IrqLine {
    return { set: (level) => this.setGsi(gsi, level, source) };
  }

  /**
   * Delivers a message-signalled interrupt (SDM, "Message Signalled Interrupts"); false when nobody accepts
   * it.
   */
  deliverMsi(address: number, data: number): boolean {
    return this.bus.deliver({
      dest: (address >>> 12) & 0xff,
      logical: (address & 4) !== 0,
      mode: (data >>> 8) & 7,
      vector: data & 0xff,
      level: (data & 0x8000) !== 0,
      wide: false,
    });
  }

  /**
   * Replaces the routing table, as KVM_SET_GSI_ROUTING; throws VitrineError and changes nothing on a bad
   * entry.
   */
  setRoutes(routes: readonly GsiRoute[]): void {
    if (routes.length > maxRoutes) throw badRoute(`${routes.length} entries`, `give at most ${maxRoutes}`);
    for (const route of routes) {
      if (!inRange(route.gsi, maxGsis)) throw badRoute(`GSI ${route.gsi}`, `give 0 to ${maxGsis - 1}`);
      if (route.kind === "msi") continue;
      const pins = route.kind === "pic" ? 16 : ioapicPins;
      if (!inRange(route.pin, pins))
        throw badRoute(`${route.kind} pin ${route.pin}`, `give 0 to ${pins - 1}`);
    }
    this.#routes = [...routes];
    this.#routesOf = Array.from({ length: maxGsis }, () => []);
    this.#ioapicGsis = Array.from({ length: ioapicPins }, () => []);
    this.#picGsis = Array.from({ length: 16 }, () => []);
    for (const route of routes) {
      this.#routesOf[route.gsi]?.push(route);
      if (route.kind === "ioapic") this.#ioapicGsis[route.pin]?.push(route.gsi);
      else if (route.kind === "pic") this.#picGsis[route.pin]?.push(route.gsi);
    }
  }

  get routes(): readonly GsiRoute[] {
    return this.#routes;
  }

  /** Level of the CPU's interrupt line; one array read. */
  pendingInterrupt(cpu: number): boolean {
    return this.#pending[cpu] === 1;
  }

  /**
   * INTA: the vector to serve, the PIC's before the local APIC's; a spurious vector when nothing is
   * pending.
   */
  acknowledge(cpu: number): number {
    const lapic = this.#lapic(cpu);
    if (lapic.acceptsPic && (this.pic.intr || !lapic.enabled)) return this.pic.acknowledge();
    return lapic.acknowledge();
  }

  readCr8(cpu: number): number {
    return this.#lapic(cpu).cr8;
  }

  writeCr8(cpu: number, value: number): void {
    this.#lapic(cpu).setCr8(value);
  }

  /** The machine's NMI button: LINT1 of every CPU. */
  nmi(): void {
    for (const lapic of this.lapics) lapic.pulseLint1();
  }

  #lapic(cpu: number): Lapic {
    const lapic = this.lapics[cpu];
    if (lapic === undefined) throw new VitrineError("config", "CPU", String(cpu), "give one that exists");
    return lapic;
  }

  #drive(gsi: number): void {
    const level = this.#high(gsi);
    for (const route of this.#routesOf[gsi] ?? []) {
      switch (route.kind) {
        case "pic":
          this.pic.setIrq(route.pin, level || this.#anyHigh(this.#picGsis[route.pin]));
          break;
        case "ioapic":
          this.ioapic.setPin(route.pin, level || this.#anyHigh(this.#ioapicGsis[route.pin]));
          break;
        case "msi":
          if (level) this.deliverMsi(route.address, route.data);
      }
    }
  }

  #high(gsi: number): boolean {
    return this.#sources[gsi] !== 0;
  }

  #anyHigh(gsis: number[] | undefined): boolean {
    return gsis?.some((gsi) => this.#high(gsi)) ?? false;
  }

  #ioapicEoi(pin: number): void {
    for (const gsi of this.#ioapicGsis[pin] ?? []) this.#onEoi(gsi);
  }

  #picChanged(level: boolean): void {
    for (let cpu = 0; this.#remote && cpu < this.#pending.length; cpu++) this.#onChange(cpu);
    for (const [cpu, lapic] of this.lapics.entries()) {
      lapic.setLint0(level);
      this.#refresh(cpu);
    }
  }

  #refresh(cpu: number): void {
    const lapic = this.lapics[cpu];
    if (lapic === undefined) return;
    const pending = lapic.intr || (lapic.acceptsPic && this.pic.intr) ? 1 : 0;
    if (pending === this.#pending[cpu]) return;
    this.#pending[cpu] = pending;
    this.#onChange(cpu);
  }

  save(): Saved {
    return {
      version: this.version,
      sources: [...this.#sources],
      routes: this.#routes.map((route) => ({ ...route })),
      pic: this.pic.save(),
      ioapic: this.ioapic.save(),
      lapics: (this.#remote ?? this.lapics).map((lapic) => lapic.save()),
      pit: this.pit?.save() ?? null,
    };
  }

  restore(state: Saved): void {
    const r = new SavedRecord(this.id, state);
    if (r.int("version") !== this.version) throw new StateError(this.id, `version ${r.int("version")}`);
    const states: readonly LapicState[] = this.#remote ?? this.lapics,
      lapics = r.list("lapics", states.length);
    const pit = r.value("pit");
    if ((pit === null) !== (this.pit === null)) throw new StateError(this.id, "PIT present on one side only");
    const routes = r.list("routes").map((saved) => readRoute(new SavedRecord("GSI route", saved)));
    this.#sources.set(r.ints("sources", maxGsis));
    try {
      this.setRoutes(routes);
    } catch (e) {
      throw e instanceof VitrineError ? new StateError(e.object, e.value) : e;
    }
    // The local APICs first: they then already know the level of INTR that the PIC's restore shows them.
    for (const [i, lapic] of states.entries()) lapic.restore(lapics[i] ?? null);
    this.pic.restore(r.value("pic"));
    this.ioapic.restore(r.value("ioapic"));
    this.pit?.restore(pit);
    for (const cpu of this.lapics.keys()) this.#refresh(cpu);
  }
}

function readRoute(r: SavedRecord): GsiRoute {
  const gsi = r.int("gsi");
  const kind = r.text("kind");
  if (kind === "msi") return { gsi, kind, address: r.int("address"), data: r.int("data") };
  if (kind === "pic" || kind === "ioapic") return { gsi, kind, pin: r.int("pin") };
  throw new StateError("GSI route", `kind ${kind}`);
}

function inRange(value: number, limit: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < limit;
}

function badRoute(value: string, cure: string): VitrineError {
  return new VitrineError("config", "GSI route", value, cure);
}
