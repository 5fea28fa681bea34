import type { VirtualClock } from "../../base/index.ts";
import type { Lapic } from "../../chips/index.ts";
import type { Cpuid } from "../cpuid.ts";
import { Feature, FEATURES } from "../cpuid.ts";
import type { ArchVcpu } from "../ops.ts";
import type { GuestSpace } from "./space.ts";

/** MSR_KVM_*, "KVM-specific MSRs" in the kernel's documentation, with the bit of CPUID leaf 4000_0001h that announces each. */
export const KvmMsr = {
  WALL_CLOCK_OLD: 0x11,
  SYSTEM_TIME_OLD: 0x12,
  WALL_CLOCK: 0x4b564d00,
  SYSTEM_TIME: 0x4b564d01,
  STEAL_TIME: 0x4b564d03,
  PV_EOI: 0x4b564d04,
} as const;
const ANNOUNCED: ReadonlyMap<number, number> = new Map([
  [KvmMsr.WALL_CLOCK_OLD, Feature.CLOCKSOURCE],
  [KvmMsr.SYSTEM_TIME_OLD, Feature.CLOCKSOURCE],
  [KvmMsr.WALL_CLOCK, Feature.CLOCKSOURCE2],
  [KvmMsr.SYSTEM_TIME, Feature.CLOCKSOURCE2],
  [KvmMsr.STEAL_TIME, Feature.STEAL_TIME],
  [KvmMsr.PV_EOI, Feature.PV_EOI],
]);
/** One tick of the TSC is one nanosecond: (ticks << 1) * 2^31 >> 32. */
const SCALE = { mul: 0x80000000, shift: 1 } as const;
const TSC_STABLE = 1;

export interface ParavirtOptions {
  readonly space: GuestSpace;
  readonly clock: VirtualClock;
  /** Seconds since 1970 at t = 0. */
  readonly wallClock: () => number;
}
export interface ParavirtVcpu {
  readonly arch: ArchVcpu;
  readonly cpuid: Cpuid;
  readonly lapic: Lapic | undefined;
}

/**
 * What KVM tells a guest in the guest's own memory. All time is the one clock, t:
 *
 *   wall clock   version4 seconds4 nanoseconds4          time of day at t = 0
 *   system time  version4 .4 tsc8 ns8 mul4 shift1 flags1 .2    ns = system time at tsc; an odd version: being written
 *   steal time   steal8 version4 flags4 preempted1 .47   a VM that does not run has no time, so none is stolen
 *   PV EOI       1 at the lowest bit: clearing it ends the interrupt in service, without an exit
 */
export class Paravirt {
  readonly #o: ParavirtOptions;
  readonly #v: ParavirtVcpu;
  readonly #values = new Map<number, bigint>();
  /** Where MSR_KVM_PV_EOI_EN puts its flag, -1 while it is off. */
  #eoiAt = -1;
  /** The guest may end the interrupt in service in its memory: look there after the next exit. */
  eoiOffered = false;

  constructor(options: ParavirtOptions, vcpu: ParavirtVcpu) {
    this.#o = options;
    this.#v = vcpu;
  }

  reset(): void {
    this.#values.clear();
    this.#eoiAt = -1;
    this.eoiOffered = false;
  }

  /** Undefined: not there, since CPUID does not announce it. */
  read(index: number): bigint | undefined {
    return this.#announced(index) ? (this.#values.get(index) ?? 0n) : undefined;
  }
  /** @param user a value that is given back: what is in memory came with the memory. False: #GP. */
  write(index: number, value: bigint, user: boolean): boolean {
    if (!this.#announced(index)) return false;
    switch (index) {
      case KvmMsr.STEAL_TIME:
        if ((value & 0x3en) !== 0n) return false;
        break;
      case KvmMsr.PV_EOI:
        if ((value & 2n) !== 0n) return false;
        break;
    }
    this.#values.set(index, value);
    if (index === KvmMsr.PV_EOI) this.#eoiAt = (value & 1n) !== 0n ? Number(value & ~3n) : -1;
    if (user) return true;
    if (index === KvmMsr.WALL_CLOCK || index === KvmMsr.WALL_CLOCK_OLD) this.#writeWallClock(value);
    else if (index === KvmMsr.SYSTEM_TIME || index === KvmMsr.SYSTEM_TIME_OLD) this.#writeSystemTime(value);
    else if (index === KvmMsr.STEAL_TIME) this.#writeSteal(value);
    return true;
  }

  /** The TSC has been set: the system time is told anew. */
  tscChanged(): void {
    for (const index of [KvmMsr.SYSTEM_TIME_OLD, KvmMsr.SYSTEM_TIME]) {
      const value = this.#values.get(index);
      if (value !== undefined) this.#writeSystemTime(value);
    }
  }

  /** Before an entry: nothing waits behind the interrupt in service, and no IOAPIC wants to hear of its end. */
  offerEoi(): void {
    if (this.#eoiAt < 0 || this.eoiOffered) return;
    const { lapic } = this.#v;
    if (!lapic || lapic.requested) return;
    const vector = lapic.inService;
    if (vector < 0 || lapic.isHeard(vector)) return;
    this.eoiOffered = this.#o.space.store(this.#eoiAt, 1, 1);
  }
  /** After an exit: has the guest ended the interrupt? If not, it has to do so by the register. */
  takeEoi(): void {
    this.eoiOffered = false;
    const at = Number((this.#values.get(KvmMsr.PV_EOI) ?? 0n) & ~3n),
      byte = this.#o.space.load(at, 1) ?? 0n;
    if ((byte & 1n) !== 0n) this.#o.space.store(at, 1, byte & ~1n);
    else this.#v.lapic?.eoi();
  }

  #announced(index: number): boolean {
    const bit = ANNOUNCED.get(index);
    return bit !== undefined && (((this.#v.cpuid.find(FEATURES, 0)?.eax ?? 0) >>> bit) & 1) === 1;
  }

  /** The next even version behind what the guest has there. */
  #version(at: number): number {
    const old = Number(this.#o.space.load(at, 4) ?? 0n);
    return (old + (old & 1) + 2) >>> 0;
  }
  #writeWallClock(value: bigint): void {
    const at = Number(value);
    this.#put(at, [[4, this.#version(at)], [4, this.#o.wallClock() >>> 0], [4, 0]]);
  }
  #writeSystemTime(value: bigint): void {
    if ((value & 1n) === 0n) return;
    const at = Number(value & ~1n),
      now = BigInt(this.#o.clock.now());
    const tsc = BigInt.asUintN(64, now + this.#v.arch.tscOffset());
    this.#put(at, [[4, this.#version(at)], [4, 0], [8, tsc], [8, now], [4, SCALE.mul], [1, SCALE.shift], [1, TSC_STABLE], [2, 0]]);
  }
  #writeSteal(value: bigint): void {
    if ((value & 1n) === 0n) return;
    const at = Number(value & ~1n);
    this.#put(at + 8, [[4, this.#version(at + 8)], [4, 0], [1, 0]]);
  }
  #put(at: number, fields: readonly (readonly [number, number | bigint])[]): void {
    let to = at;
    for (const [size, value] of fields) {
      this.#o.space.store(to, size, BigInt(value));
      to += size;
    }
  }
}
