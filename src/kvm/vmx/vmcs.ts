import type { HostComputer } from "../../host/index.ts";
import type { CoreExports } from "../../hw/index.ts";
import { KvmError } from "../errno.ts";
import { F } from "./fields.ts";

/** One VMCS: a frame of host memory, reached by VMREAD and VMWRITE only. */
export class Vmcs {
  readonly pa: number;
  readonly #x: CoreExports;
  #launched = false;

  constructor(host: HostComputer) {
    this.#x = host.core.exports;
    this.pa = host.frames.frame();
    host.memory.write32(this.pa, Number(this.#x.vmxCapability(0x480) & 0x7fffffffn));
  }

  /** VMCLEAR: no CPU's any more. */
  clear(): void {
    check("VMCLEAR", this.#x.vmClear(BigInt(this.pa)));
    this.#launched = false;
  }
  /** VMPTRLD: current on this CPU. */
  load(): void {
    check("VMPTRLD", this.#x.vmPtrld(BigInt(this.pa)));
  }

  read(field: number): bigint {
    return BigInt.asUintN(64, this.#x.vmRead(field));
  }
  /** As a number, exact below 2^53. */
  number(field: number): number {
    return this.low(field) + (wide(field) ? this.high(field) * 0x100000000 : 0);
  }
  /** Bits 0 to 31, and 32 to 63. */
  low(field: number): number {
    return this.#x.vmReadWord(field, 0) >>> 0;
  }
  high(field: number): number {
    return this.#x.vmReadWord(field, 1) >>> 0;
  }
  write(field: number, value: bigint): void {
    checkWrite(field, this.#x.vmWrite(field, value));
  }
  put(field: number, value: number): void {
    checkWrite(field, this.#x.vmWriteWords(field, value, 0));
  }
  /** Bits 0 to 31 and 32 to 63, each modulo 2^32. */
  putWords(field: number, low: number, high: number): void {
    checkWrite(field, this.#x.vmWriteWords(field, low, high));
  }

  /** VMLAUNCH the first time, VMRESUME afterwards. 0 in guest mode, -2 already out again, n > 0 refused. */
  enter(): number {
    const result = this.#launched ? this.#x.vmResume() : this.#x.vmLaunch();
    if (result === 0 || (result === -2 && (this.number(F.EXIT_REASON) & 0x80000000) === 0))
      this.#launched = true;
    return result;
  }
}

/** Has a field more than 32 bits ("Field Encoding in VMCS")? */
const wide = (field: number): boolean => (field & 0x2000) !== 0;

function checkWrite(field: number, result: number): void {
  if (result !== 0) check(`VMWRITE ${field.toString(16)}`, result);
}
function check(instruction: string, result: number): void {
  if (result !== 0)
    throw new KvmError("EINVAL", instruction, `VM-instruction error ${result}`, "report this");
}
