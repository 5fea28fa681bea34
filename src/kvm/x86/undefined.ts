import type { Core } from "../../hw/index.ts";
import { layout } from "../../hw/index.ts";
import type { Cpuid } from "../cpuid.ts";
import type { ArchVcpu, Handled } from "../ops.ts";
import type { Emulation } from "./emulation.ts";
import type { Instructions } from "./instructions.ts";

const [RAX, RCX, RDX] = [0, 1, 2];
/** ud2 and "kvm": the instruction behind it is to be completed in software (parameter kvm.force_emulation_prefix). */
const PREFIX = [0x0f, 0x0b, 0x6b, 0x76, 0x6d] as const;
const VMCALL = [0x0f, 0x01, 0xc1] as const,
  VMMCALL = [0x0f, 0x01, 0xd9] as const;
const LEGACY: ReadonlySet<number> = new Set([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]);
const CR4_TSD = 4n,
  RF = 0x10000n;
const starts = (bytes: Uint8Array, with_: readonly number[]): boolean => with_.every((b, i) => bytes[i] === b);

export interface UndefinedVcpu {
  readonly arch: ArchVcpu;
  readonly cpuid: Cpuid;
  exception(vector: number, code: number, address?: bigint): void;
  /** The instruction in hand counts. */
  tick(): void;
  /** VMCALL or VMMCALL. */
  hypercall(): void;
  /** Guest time and the offset of its TSC. */
  tsc(): bigint;
}

/** #UD of the guest: the other vendor's hypercall, a forced emulation, or the guest's own. */
export class UndefinedOpcode {
  readonly #core: Core;
  readonly #v: UndefinedVcpu;
  readonly #emulation: () => Emulation;
  readonly #instructions: Instructions;
  readonly #forced: boolean;

  constructor(core: Core, vcpu: UndefinedVcpu, emulation: () => Emulation, instructions: Instructions, forced: boolean) {
    this.#core = core;
    this.#v = vcpu;
    this.#emulation = emulation;
    this.#instructions = instructions;
    this.#forced = forced;
  }

  handle(): Handled {
    const { arch } = this.#v,
      emulation = this.#emulation(),
      bytes = emulation.peek(PREFIX.length);
    if (this.#forced && starts(bytes, PREFIX)) {
      arch.setRip(this.#behind(PREFIX.length));
      return this.#breakpoint() ? "again" : this.#emulate();
    }
    const [own, foreign] = arch.name === "vmx" ? [VMCALL, VMMCALL] : [VMMCALL, VMCALL];
    if (starts(bytes, foreign)) {
      // emulator_fix_hypercall: a guest that was made on the other vendor's processor goes on with the right instruction.
      const fault = emulation.patch(own);
      if (fault) this.#v.exception(14, fault.code, fault.address);
    } else this.#v.exception(6, -1);
    return "again";
  }

  #behind(length: number): bigint {
    const { arch } = this.#v,
      cs = arch.segment(1),
      next = arch.rip() + BigInt(length);
    if ((arch.efer() & 0x400n) !== 0n && cs.l === 1) return BigInt.asUintN(64, next);
    return next & (cs.db === 1 ? 0xffffffffn : 0xffffn);
  }

  /** kvm_vcpu_check_code_breakpoint: the processor has looked at the prefix, and not at the instruction behind it. */
  #breakpoint(): boolean {
    const { arch } = this.#v,
      debug = arch.debugRegs(),
      { dr7, db } = debug;
    const held = (arch.rflags() & RF) !== 0n || ((arch.pending().shadow & 2) !== 0 && this.#v.cpuid.isIntel);
    if ((dr7 & 0xffn) === 0n || held) return false;
    const rip = arch.rip(),
      hit = db.reduce((bits, at, i) => {
        const on = ((dr7 >> BigInt(2 * i)) & 3n) !== 0n && ((dr7 >> BigInt(16 + 4 * i)) & 3n) === 0n;
        return on && at === rip ? bits | (1n << BigInt(i)) : bits;
      }, 0n);
    if (hit === 0n) return false;
    arch.setDebugRegs({ ...debug, dr6: (debug.dr6 & ~15n) | hit });
    this.#v.exception(1, -1);
    return true;
  }

  /** What always exits is completed by the exit's own handler; the rest by the emulator. */
  #emulate(): Handled {
    const { arch } = this.#v,
      bytes = this.#emulation().peek(4);
    const rex = ((bytes[0] ?? 0) & 0xf0) === 0x40 && (arch.efer() & 0x400n) !== 0n && arch.segment(1).l === 1 ? 1 : 0,
      code = bytes.subarray(rex);
    const special = this.#special(code, rex === 1 && ((bytes[0] ?? 0) & 4) !== 0);
    if (!special) {
      // Whatever is no access to CR0 may be an x87 or MMX instruction.
      const at = bytes.findIndex((b) => !LEGACY.has(b) && !(rex === 1 && (b & 0xf0) === 0x40)),
        control = bytes[at] === 0x0f && [0x01, 0x06, 0x20, 0x22].includes(bytes[at + 1] ?? 0),
        done = this.#emulation().forced(!control);
      // It may have been one that the processor's caches must follow.
      arch.flushTlb();
      return done;
    }
    const [length, privileged, act] = special;
    if (privileged && arch.cpl() !== 0) {
      this.#v.exception(13, 0);
      return "again";
    }
    this.#v.tick();
    arch.length = rex + length;
    act();
    arch.length = 0;
    return "again";
  }

  #special(code: Uint8Array, rexR: boolean): readonly [number, boolean, () => void] | undefined {
    const i = this.#instructions,
      is = (...bytes: number[]): boolean => starts(code, bytes);
    if (is(0x0f, 0xa2)) return [2, false, () => i.cpuid()];
    if (is(0x0f, 0x32)) return [2, true, () => i.readMsr()];
    if (is(0x0f, 0x30)) return [2, true, () => i.writeMsr()];
    if (is(0xf4)) return [1, true, () => i.halt()];
    if (is(0x0f, 0x01, 0xd1)) return [3, true, () => i.setXcr()];
    if (is(...VMCALL) || is(...VMMCALL)) return [3, false, () => this.#v.hypercall()];
    const barred = (this.#v.arch.control(4) & CR4_TSD) !== 0n;
    if (is(0x0f, 0x31)) return [2, barred, () => this.#readTsc(false)];
    if (is(0x0f, 0x01, 0xf9)) return [3, barred, () => this.#readTsc(true)];
    if (rexR && (is(0x0f, 0x20) || is(0x0f, 0x22)) && ((code[2] ?? 0) & 0x38) === 0)
      return [3, true, () => i.cr8(code[1] === 0x22, (code[2] ?? 0) & 7)];
    return undefined;
  }
  #readTsc(aux: boolean): void {
    const { arch } = this.#v,
      tsc = this.#v.tsc();
    arch.setRegister(RAX, tsc & 0xffffffffn);
    arch.setRegister(RDX, tsc >> 32n);
    if (aux) arch.setRegister(RCX, (this.#core.u64[layout.TSC_AUX / 8] ?? 0n) & 0xffffffffn);
    arch.skip();
  }
}
