import type { PagingState } from "../walk.ts";

const CR0_PE = 1,
  CR0_WP = 0x10000,
  CR0_PG = 0x80000000;
const CR4_PAE = 0x20,
  CR4_PGE = 0x80,
  CR4_PCIDE = 0x20000,
  CR4_SMEP = 0x100000,
  CR4_SMAP = 0x200000;
const EFER_LME = 0x100,
  EFER_LMA = 0x400,
  EFER_NXE = 0x800;

/** How the guest's tables look: entries of 4 or 8 bytes, 2 to 4 levels; 0 without paging. */
export type Format = 0 | 2 | 3 | 4;

/**
 * The guest's paging registers. The processor has others while shadow tables stand in for the guest's:
 *
 *   guest                     processor
 *   no paging                 PAE, three levels, every page mapped to itself
 *   2 levels, or PAE          PAE, three levels
 *   4 levels                  4 levels
 *   CR0.WP 0 or 1             1: what the guest may write is the entries' to say
 *   CR4.PGE, PCIDE            0: an address space is one root
 *   EFER.NXE 0 or 1           1: KVM needs the bit where a user page becomes a supervisor's
 */
export class PagingRegisters implements PagingState {
  cr0 = 0;
  cr3Low = 0;
  cr3High = 0;
  cr4 = 0;
  efer = 0;
  /** Of use while a fault is handled: AC decides about SMAP. */
  rflags = 2;
  readonly pdptes = new Uint32Array(8);
  physBits = 40;

  get paging(): boolean {
    return (this.cr0 & CR0_PG) !== 0;
  }
  get protectedMode(): boolean {
    return (this.cr0 & CR0_PE) !== 0;
  }
  get long(): boolean {
    return (this.efer & EFER_LMA) !== 0;
  }
  get format(): Format {
    if (!this.paging) return 0;
    if (this.long) return 4;
    return (this.cr4 & CR4_PAE) !== 0 ? 3 : 2;
  }
  get writeProtect(): boolean {
    return (this.cr0 & CR0_WP) !== 0;
  }
  get smep(): boolean {
    return this.paging && (this.cr4 & CR4_SMEP) !== 0;
  }
  get smap(): boolean {
    return this.paging && (this.cr4 & CR4_SMAP) !== 0;
  }
  get nx(): boolean {
    return (this.efer & EFER_NXE) !== 0;
  }

  get cr3(): bigint {
    return (BigInt(this.cr3High) << 32n) | BigInt(this.cr3Low);
  }
  set cr3(value: bigint) {
    this.cr3Low = Number(value & 0xffffffffn);
    this.cr3High = Number(value >> 32n);
  }
  /** One of the four PAE directory-pointer registers. */
  pdpte(i: number): bigint {
    return (BigInt(this.pdptes[2 * i + 1] ?? 0) << 32n) | BigInt(this.pdptes[2 * i] ?? 0);
  }
  setPdpte(i: number, value: bigint): void {
    this.pdptes[2 * i] = Number(value & 0xffffffffn);
    this.pdptes[2 * i + 1] = Number(value >> 32n);
  }

  /** What the processor has in CR0, besides the bits that are the guest's own; PE is forced where paging needs it. */
  hardwareCr0(): number {
    return (this.cr0 | CR0_PG | CR0_WP) >>> 0;
  }
  hardwareCr4(): number {
    const unwanted = CR4_PGE | CR4_PCIDE | (this.paging ? 0 : CR4_SMEP | CR4_SMAP);
    return ((this.cr4 & ~unwanted) | CR4_PAE) >>> 0;
  }
  hardwareEfer(): number {
    return (this.efer & ~(EFER_LME | EFER_LMA)) | (this.long ? EFER_LME | EFER_LMA : 0) | EFER_NXE;
  }
}
