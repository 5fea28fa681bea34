import type { DebugRegs, Sregs } from "../../base/index.ts";
import { KvmError } from "../errno.ts";

const CR0 = { PE: 1n, NW: 1n << 29n, CD: 1n << 30n, PG: 1n << 31n } as const;
const CR4_PAE = 0x20n;
/** VME to OSXMMEXCPT, UMIP, LA57, FSGSBASE, PCIDE, OSXSAVE, SMEP, SMAP, PKE, CET: no VMX and no SMX in a guest. */
const CR4_KNOWN = 0xf71fffn;
const EFER = { LME: 0x100n, LMA: 0x400n, KNOWN: 0xd01n } as const;
const APIC_RESERVED = 0x2ffn,
  WIDTH = 32n;
const STATES: readonly string[] = ["runnable", "uninitialized", "init", "sipi", "halted"];

const refuse = (ioctl: string, value: string, cure: string): KvmError => new KvmError("EINVAL", ioctl, value, cure);
const hex = (value: bigint): string => `0x${BigInt.asUintN(64, value).toString(16)}`;

/** kvm_valid_sregs: registers that no processor can have got into are refused before any of them is used. @param width bits of a physical address */
export function checkSregs(s: Sregs, width: number): void {
  const no = (value: string, cure: string): KvmError => refuse("KVM_SET_SREGS", value, cure);
  const { cr0, cr4, efer } = s,
    long = (efer & EFER.LME) !== 0n && (cr0 & CR0.PG) !== 0n;
  if (cr0 >> WIDTH !== 0n) throw no(`CR0 ${hex(cr0)}`, "leave its upper half clear");
  if ((cr0 & CR0.PG) !== 0n && (cr0 & CR0.PE) === 0n) throw no(`CR0 ${hex(cr0)}`, "set PE with PG");
  if ((cr0 & CR0.NW) !== 0n && (cr0 & CR0.CD) === 0n) throw no(`CR0 ${hex(cr0)}`, "set CD with NW");
  if ((cr4 & ~CR4_KNOWN) !== 0n) throw no(`CR4 ${hex(cr4)}`, `give bits of ${hex(CR4_KNOWN)} only`);
  if ((efer & ~EFER.KNOWN) !== 0n) throw no(`EFER ${hex(efer)}`, `give bits of ${hex(EFER.KNOWN)} only`);
  if (long && ((cr4 & CR4_PAE) === 0n || (efer & EFER.LMA) === 0n)) throw no(`EFER ${hex(efer)}, CR4 ${hex(cr4)}`, "set LMA and PAE with LME and paging");
  if (!long && (efer & EFER.LMA) !== 0n) throw no(`EFER ${hex(efer)}`, "LMA is for LME with paging");
  if ((s.apicBase & APIC_RESERVED) !== 0n || s.apicBase >> BigInt(width) !== 0n || (s.apicBase & 0xc00n) === 0x400n)
    throw no(`APIC base ${hex(s.apicBase)}`, `give an address below 2^${width}, BSP, and x2APIC mode only with the enable bit`);
  if (s.pdptrs && s.pdptrs.length !== 4) throw no(`${s.pdptrs.length} PDPTE registers`, "give four, or none");
}
/** The upper halves of DR6 and DR7 are reserved. */
export function checkDebugRegs({ dr6, dr7 }: DebugRegs): void {
  for (const [name, value] of [["DR6", dr6], ["DR7", dr7]] as const)
    if (value >> WIDTH !== 0n) throw refuse("KVM_SET_DEBUGREGS", `${name} ${hex(value)}`, "leave its upper half clear");
}
export function checkMpState(state: string): void {
  if (!STATES.includes(state)) throw refuse("KVM_SET_MP_STATE", JSON.stringify(state), `give ${STATES.join(", ")}`);
}
/** x87 is always on; AVX state needs SSE's. */
export function checkXcr0(value: bigint): void {
  if ((value & 1n) === 0n || (value & 6n) === 4n || value >> 64n !== 0n)
    throw refuse("KVM_SET_XCRS", `XCR0 ${hex(value)}`, "set bit 0, and bit 1 with bit 2");
}
