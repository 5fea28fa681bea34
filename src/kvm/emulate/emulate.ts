import { type Bits, type Decoded, decode } from "../../isa/index.ts";
import type { ArchVcpu } from "../ops.ts";
import { type Access, type GuestTables, walk } from "../mmu/walk.ts";
import { operations, type Operation, type Outcome } from "./table.ts";

/** What one instruction came to. */
export type Emulated =
  | { readonly kind: "done" }
  /** A device in user space must answer first; emulate() is called again then. */
  | { readonly kind: "user" }
  | { readonly kind: "fault"; readonly vector: number; readonly code: number; readonly address: bigint }
  | { readonly kind: "unhandled"; readonly bytes: Uint8Array };

/** The memory an instruction sees: slots, in-kernel devices, user space. */
export interface EmulatorMemory extends GuestTables {
  /** Undefined when gpa is no memory of the guest (or read-only and to be written). */
  load(gpa: number, size: number): bigint | undefined;
  store(gpa: number, size: number, value: bigint): boolean;
  /** Bytes of one page, to be read as instructions. */
  bytes(gpa: number, length: number): Uint8Array | undefined;
  /** A device; undefined (false) when user space has been asked. */
  deviceLoad(gpa: number, size: 1 | 2 | 4 | 8): bigint | undefined;
  deviceStore(gpa: number, size: 1 | 2 | 4 | 8, value: bigint): boolean;
  readonly physBits: number;
}

const DONE: Emulated = { kind: "done" };
const USER: Emulated = { kind: "user" };
const DF = 0x400n;
const ES = 0,
  SS = 2,
  DS = 3;
const STRINGS: ReadonlySet<string> = new Set(["movs", "stos", "lods", "scas", "cmps"]);
const [RAX, RCX, RSP, RBP, RSI, RDI] = [0, 1, 4, 5, 6, 7];
const FIXED: Readonly<Record<string, number>> = { AL: 1, rAX: 0, CL: 1 };

/**
 * Completes one instruction that has touched a device. Memory is read once: what was read is kept, and a run that had
 * to wait for user space begins again with those values. Memory is written before registers, so that nothing
 * architectural has changed when it waits.
 */
export class Emulator {
  readonly #arch: ArchVcpu;
  readonly #memory: EmulatorMemory;
  /** Values read so far by the instruction in hand, and how many writes are done. */
  #reads: bigint[] = [];
  #written = 0;
  #readAt = 0;
  #writeAt = 0;
  #stop: Emulated | undefined;
  #matchedPage = -1n;
  #matchedGpa = 0;
  #matchedWrite = false;

  constructor(arch: ArchVcpu, memory: EmulatorMemory) {
    this.#arch = arch;
    this.#memory = memory;
  }

  /** User space has answered the read that emulate() waits for. */
  answer(value: bigint): void {
    this.#reads.push(value);
  }
  /** User space has taken the write. */
  answered(): void {
    this.#written++;
  }

  /** The instruction at RIP. After "user", answer and call again. */
  emulate(): Emulated {
    this.#readAt = 0;
    this.#writeAt = 0;
    this.#stop = undefined;
    const bits = this.#bits(),
      bytes = this.#fetch(bits);
    if (this.#stop) return this.#finish(this.#stop);
    const d = decode(bytes, bits),
      run = d && operations[d.row.body];
    if (!d || !run || d.row.operands.some((o) => /^[VWPQUNC]/.test(o) && o !== "CL"))
      return this.#finish({ kind: "unhandled", bytes });
    return this.#finish(STRINGS.has(d.row.body) ? this.#string(d, run) : this.#plain(d, run));
  }

  #finish(result: Emulated): Emulated {
    if (result.kind !== "user") {
      this.#reads = [];
      this.#written = 0;
      this.#matchedPage = -1n;
    }
    return result;
  }

  #bits(): Bits {
    const cs = this.#arch.segment(1);
    if ((this.#arch.efer() & 0x400n) !== 0n && cs.l === 1) return 64;
    return cs.db === 1 && (this.#arch.control(0) & 1n) !== 0n ? 32 : 16;
  }

  #fetch(bits: Bits): Uint8Array {
    const bytes = new Uint8Array(15),
      base = bits === 64 ? 0n : this.#arch.segment(1).base,
      start = base + this.#arch.rip();
    for (let i = 0; i < 15; ) {
      const la = bits === 64 ? start + BigInt(i) : (start + BigInt(i)) & 0xffffffffn;
      const gpa = this.#translate(la, "fetch");
      if (gpa === undefined) {
        // Bytes past the instruction need not be there.
        if (i > 0 && decode(bytes.subarray(0, i), bits)) this.#stop = undefined;
        return i > 0 ? bytes.subarray(0, i) : bytes;
      }
      const n = Math.min(15 - i, 4096 - (gpa % 4096));
      const found = this.#memory.bytes(gpa, n);
      if (found) bytes.set(found, i);
      else bytes.fill(0xff, i, i + n);
      i += n;
    }
    return bytes;
  }

  /** The access that faulted, as the processor has translated it: its page needs no second walk (vcpu_match_mmio_gva). */
  match(linear: bigint, gpa: number, write: boolean): void {
    this.#matchedPage = linear & ~0xfffn;
    this.#matchedGpa = gpa - (gpa % 4096);
    this.#matchedWrite = write;
  }

  #translate(la: bigint, access: Access): number | undefined {
    const a = this.#arch;
    if (
      access !== "fetch" &&
      (la & ~0xfffn) === this.#matchedPage &&
      (access === "read" || this.#matchedWrite)
    )
      return this.#matchedGpa + Number(la & 0xfffn);
    const state = {
      cr0: a.control(0),
      cr3: a.control(3),
      cr4: a.control(4),
      efer: a.efer(),
      rflags: a.rflags(),
      user: a.cpl() === 3,
      pdptes: () => a.pdptes(),
      physBits: this.#memory.physBits,
    };
    const found = walk(this.#memory, state, la, access);
    if (found.fault === undefined) return found.gpa;
    this.#stop = { kind: "fault", vector: 14, code: found.fault, address: la };
    return undefined;
  }

  /** Also for string I/O: memory by linear address with the rights of the guest's CPL. */
  read(la: bigint, size: number, access: Access = "read"): bigint | undefined {
    const first = Math.min(size, 4096 - Number(la & 0xfffn));
    if (first < size) {
      const low = this.read(la, first, access);
      const high = low === undefined ? undefined : this.read(la + BigInt(first), size - first, access);
      return low === undefined || high === undefined ? undefined : low | (high << BigInt(8 * first));
    }
    const known = this.#reads[this.#readAt++];
    if (known !== undefined) return known;
    const gpa = this.#translate(la, access);
    if (gpa === undefined) return undefined;
    let v = this.#memory.load(gpa, size);
    if (v === undefined) v = this.#memory.deviceLoad(gpa, device(size));
    if (v === undefined) this.#stop = USER;
    else this.#reads.push(v);
    return v;
  }

  write(la: bigint, size: number, value: bigint): boolean {
    const first = Math.min(size, 4096 - Number(la & 0xfffn));
    if (first < size) {
      return (
        this.write(la, first, BigInt.asUintN(8 * first, value)) &&
        this.write(la + BigInt(first), size - first, value >> BigInt(8 * first))
      );
    }
    if (this.#writeAt++ < this.#written) return true;
    const gpa = this.#translate(la, "write");
    if (gpa === undefined) return false;
    if (!this.#memory.store(gpa, size, value) && !this.#memory.deviceStore(gpa, device(size), value)) {
      this.#stop = USER;
      return false;
    }
    this.#written++;
    return true;
  }

  /** What stopped the last read() or write(). Forgets it, and what was read. */
  takeStop(): Emulated {
    const stop = this.#stop ?? DONE;
    this.#stop = undefined;
    this.#readAt = 0;
    this.#writeAt = 0;
    return this.#finish(stop);
  }

  #plain(d: Decoded, run: (o: Operation) => Outcome): Emulated {
    const { operands, access } = d.row,
      sizes = operands.map((o) => sizeOf(d, o));
    const la = d.mod !== 3 || operands.some((o) => o.startsWith("O")) ? this.#address(d, sizes) : 0n;
    const values: bigint[] = [];
    for (let i = 0, constants = 0; i < operands.length; i++) {
      const o = operands[i] ?? "",
        size = sizes[i] ?? 1;
      if (/^(I|sI)/.test(o))
        values.push(BigInt.asUintN(8 * (sizes[0] ?? size), d.immediates[constants++] ?? 0n));
      else if (isMemory(d, o)) {
        const v = access[i] === "w" ? 0n : this.read(la, size, access[i] === "x" ? "write" : "read");
        if (v === undefined) return this.#stop ?? DONE;
        values.push(v);
      } else if (o.startsWith("S")) values.push(BigInt(this.#arch.segment(d.reg & 7).selector));
      else values.push(this.#register(registerOf(d, o), size, d.rex));
    }
    if (d.row.body === "cmovcc" && sizes[0] === 4) values[0] = BigInt.asUintN(32, values[0] ?? 0n);
    const out = run({
      values,
      size: sizes[0] ?? 1,
      sizes,
      rflags: this.#arch.rflags(),
      cc: d.row.cc,
      rax: this.#arch.register(RAX),
    });
    for (const [n, v] of Object.entries(out.writes)) {
      if (isMemory(d, operands[Number(n)] ?? "") && !this.write(la, sizes[Number(n)] ?? 1, v))
        return this.#stop ?? DONE;
    }
    for (const [n, v] of Object.entries(out.writes)) {
      const o = operands[Number(n)] ?? "";
      if (!isMemory(d, o)) this.#setRegister(registerOf(d, o), sizes[Number(n)] ?? 1, v, d.rex);
    }
    if (out.rax !== undefined) this.#setRegister(RAX, sizes[0] ?? 1, out.rax, d.rex);
    this.#arch.setRflags(out.rflags);
    this.#advance(d);
    return DONE;
  }

  /** One iteration: a repeated instruction stays at its RIP until rCX is 0. */
  #string(d: Decoded, run: (o: Operation) => Outcome): Emulated {
    const a = this.#arch,
      mask = (1n << BigInt(8 * d.addressSize)) - 1n,
      size = d.row.opcode & 1 ? d.operandSize : 1;
    if (d.rep !== 0 && (a.register(RCX) & mask) === 0n) {
      this.#advance(d);
      return DONE;
    }
    const source = this.#linear(d.segment >= 0 ? d.segment : DS, a.register(RSI) & mask, d.bits);
    const target = this.#linear(ES, a.register(RDI) & mask, d.bits);
    const values: bigint[] = [],
      count = d.row.operands.length;
    for (let n = 0; n < count; n++) {
      // CMPS reads its second operand first, as the processor does.
      const i = d.row.body === "cmps" ? count - 1 - n : n,
        o = d.row.operands[i] ?? "";
      const v = o.startsWith("X")
        ? this.read(source, size)
        : !o.startsWith("Y")
          ? this.#register(RAX, size, 1)
          : d.row.access[i] === "w"
            ? 0n
            : this.read(target, size);
      if (v === undefined) return this.#stop ?? DONE;
      values[i] = v;
    }
    const out = run({ values, size, sizes: [size, size], rflags: a.rflags(), cc: 0, rax: a.register(RAX) });
    const result = out.writes[0];
    if (result !== undefined && d.row.operands[0]?.startsWith("Y") && !this.write(target, size, result))
      return this.#stop ?? DONE;
    if (result !== undefined && !d.row.operands[0]?.startsWith("Y")) this.#setRegister(RAX, size, result, 1);
    a.setRflags(out.rflags);
    const step = (a.rflags() & DF) !== 0n ? -BigInt(size) : BigInt(size);
    const move = (n: number, by: bigint): void => {
      this.#setRegister(n, d.addressSize, (a.register(n) + by) & mask, 1);
    };
    if (d.row.operands.some((o) => o.startsWith("X"))) move(RSI, step);
    if (d.row.operands.some((o) => o.startsWith("Y"))) move(RDI, step);
    if (d.rep === 0) {
      this.#advance(d);
      return DONE;
    }
    move(RCX, -1n);
    const compares = d.row.attributes.has("repz"),
      equal = (out.rflags & 0x40n) !== 0n;
    if ((a.register(RCX) & mask) === 0n || (compares && equal !== (d.rep === 0xf3))) this.#advance(d);
    else a.retired();
    return DONE;
  }

  #advance(d: Decoded): void {
    const next = this.#arch.rip() + BigInt(d.length);
    this.#arch.setRip(d.bits === 64 ? next : d.bits === 32 ? next & 0xffffffffn : next & 0xffffn);
    this.#arch.retired();
  }

  /** "Specifying an Offset": the memory operand's linear address. */
  #address(d: Decoded, sizes: readonly number[]): bigint {
    const a = this.#arch,
      mask = (1n << BigInt(8 * d.addressSize)) - 1n;
    let offset = BigInt(d.displacement);
    if (d.row.operands.some((o) => o.startsWith("O"))) offset = d.immediates[0] ?? 0n;
    else {
      if (d.base === 16) offset += a.rip() + BigInt(d.length);
      else if (d.base >= 0) offset += a.register(d.base);
      if (d.indexRegister >= 0) offset += a.register(d.indexRegister) * BigInt(d.scale);
    }
    if (/^bt/.test(d.row.body) && d.row.operands[1] === "Gv") {
      const size = sizes[0] ?? 4,
        bit = BigInt.asIntN(8 * size, a.register(d.reg));
      offset += (bit >> BigInt(size === 8 ? 6 : size === 4 ? 5 : 4)) * BigInt(size);
    }
    const onStack = d.addressSize === 2 ? d.base === RBP : d.base === RSP || d.base === RBP;
    return this.#linear(d.segment >= 0 ? d.segment : onStack ? SS : DS, offset & mask, d.bits);
  }

  #linear(segment: number, offset: bigint, bits: Bits): bigint {
    if (bits === 64)
      return segment >= 4 ? BigInt.asUintN(64, this.#arch.segment(segment).base + offset) : offset;
    return (this.#arch.segment(segment).base + offset) & 0xffffffffn;
  }

  #register(n: number, size: number, rex: number): bigint {
    if (size === 1 && rex === 0 && n >= 4 && n < 8) return (this.#arch.register(n - 4) >> 8n) & 0xffn;
    return BigInt.asUintN(8 * size, this.#arch.register(n));
  }

  #setRegister(n: number, size: number, value: bigint, rex: number): void {
    const a = this.#arch;
    if (size >= 4) {
      a.setRegister(n, BigInt.asUintN(8 * size, value));
      return;
    }
    const high = size === 1 && rex === 0 && n >= 4 && n < 8,
      at = high ? n - 4 : n,
      shift = high ? 8n : 0n;
    const mask = ((1n << BigInt(8 * size)) - 1n) << shift;
    a.setRegister(at, (a.register(at) & ~mask) | ((value << shift) & mask));
  }
}

/** Part of an operand that crosses a page may have an odd number of bytes; the device is asked for just those. */
const device = (size: number): 1 | 2 | 4 | 8 => size as 1 | 2 | 4 | 8;
/** Does this operand lie in memory? */
const isMemory = (d: Decoded, o: string): boolean =>
  (/^[EM]|^RvMw/.test(o) && d.mod !== 3) || o.startsWith("O");
const registerOf = (d: Decoded, o: string): number => (o in FIXED ? RAX : o.startsWith("G") ? d.reg : d.rm);

/** Bytes of an operand by the letters of its type. */
function sizeOf(d: Decoded, o: string): number {
  if (o === "RvMw") return d.mod === 3 ? d.operandSize : 2;
  if (o in FIXED) return FIXED[o] || d.operandSize;
  const type = o.replace(/^sI|^[A-Z]/, "");
  if (type === "b") return 1;
  if (type === "w") return 2;
  if (type === "d") return 4;
  if (type === "q") return 8;
  if (type === "y") return (d.rex & 8) !== 0 ? 8 : 4;
  return d.operandSize;
}
