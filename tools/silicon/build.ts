// Turns a form into a case: picks operands, encodes the instruction, and sets the registers so that most memory
// operands land in the mapped pages and the rest at the edges where they must fault.

import type { Mode, Segment, StartState, Write } from "../../src/hw/cpu/fixtures/load.ts";
import {
  codePage,
  dataPage,
  Dice,
  freshMemory,
  pageSize,
  readOnlyPage,
  segmentsOf,
  stackPage,
  startState,
  watchedOffset,
} from "../../src/hw/cpu/fixtures/load.ts";
import { hooks } from "./hooks.ts";
import type { Template } from "./rows.ts";

const RBX = 3,
  RBP = 5,
  RSI = 6,
  RDI = 7;

type SegmentName = "es" | "cs" | "ss" | "ds" | "fs" | "gs";
const overridePrefix: Readonly<Record<SegmentName, number>> = {
  es: 0x26,
  cs: 0x2e,
  ss: 0x36,
  ds: 0x3e,
  fs: 0x64,
  gs: 0x65,
};

export class Builder {
  readonly dice: Dice;
  readonly state: StartState;
  readonly overrides = new Map<number, bigint>();
  readonly patches: Write[] = [];
  prefixes: number[] = [];
  addressSize: number;
  /** Linear address of the memory operand, or -1. */
  ea = -1;
  modrmRegister = 0;
  modrmMemory = 0;
  register = 0;
  immediates: bigint[] = [];
  isMemory = false;
  readonly t: Template;
  readonly mode: Mode;
  readonly seed: number;
  #rex = 0;
  #tail: number[] = [];
  #ripRelative = false;
  #segment: SegmentName = "ds";

  constructor(t: Template, mode: Mode, seed: number) {
    this.t = t;
    this.mode = mode;
    this.seed = seed;
    this.dice = new Dice(seed ^ 0x3c3c3c3c);
    this.state = startState(mode, seed, t.units);
    this.addressSize = mode;
  }

  one(n: number): boolean {
    return this.dice.below(n) === 0;
  }
  get width(): number {
    return this.mode === 64 ? 64 : 32;
  }
  set(register: number, value: bigint): void {
    const v = BigInt.asUintN(this.width, value);
    this.overrides.set(register, v);
    this.state.gpr[register] = v;
  }
  setRip(rip: number): void {
    this.overrides.set(16, BigInt(rip));
    this.state.rip = BigInt(rip);
  }
  setFlags(flags: number): void {
    this.overrides.set(17, BigInt(flags));
    this.state.rflags = flags;
  }
  segment(name: SegmentName): Segment {
    return segmentsOf[this.mode][name];
  }
  /** An offset that reaches a linear address through a segment. */
  offset(linear: number, segment: SegmentName): bigint {
    return BigInt.asUintN(this.mode === 64 ? 64 : 32, BigInt(linear) - this.segment(segment).base);
  }
  patch(address: number, value: bigint, length: number): void {
    const at = watchedOffset(address),
      writable = address < readOnlyPage;
    if (
      at < 0 ||
      !writable ||
      watchedOffset(address + length - 1) !== at + length - 1 ||
      this.patches.length === 2
    )
      return;
    this.patches.push({
      address,
      bytes: Uint8Array.from({ length }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn)),
    });
  }
  peek(address: number, length: number): bigint {
    const memory = freshMemory(this.t.background),
      at = watchedOffset(address);
    let v = 0n;
    for (let i = 0; i < length && at >= 0 && at + i < memory.length; i++)
      v |= BigInt(memory[at + i]!) << BigInt(8 * i);
    return v;
  }

  /** Chooses where an operand of n bytes lies; `home` is the page of the segment it goes through. */
  target(n: number, home = dataPage): number {
    const d = this.dice,
      r = d.below(100),
      al = Math.max(this.t.alignment, 1);
    const natural = n >= 16 || this.t.background !== "int" ? (n === 10 || n > 16 ? 16 : n) : n;
    const last = pageSize - n;
    const inside = (step: number): number => home + Math.floor(d.below(last + 1) / step) * step;
    if (r < 60) return inside(Math.max(natural, al));
    if (r < 84) return inside(al === 1 && this.t.background === "int" ? 1 : Math.max(natural, al));
    if (r < 86) return inside(1);
    if (r < 90) return home + last;
    if (r < 93 && n > 1) return home + pageSize - 1 - d.below(n - 1);
    if (r < 96 && this.mode !== 16) return inside(Math.max(natural, al)) - home + readOnlyPage;
    if (r < 97) return home + pageSize + d.below(64);
    if (r < 98) return this.mode === 16 ? home + 0xffff - d.below(n) : home - 1 - d.below(n);
    return inside(Math.max(natural, al));
  }

  #chooseSegment(fallback: SegmentName): SegmentName {
    if (!this.one(8)) {
      return fallback;
    }
    const name = (["es", "cs", "ss", "ds", "fs", "gs"] as const)[this.dice.below(6)]!;
    this.prefixes.push(overridePrefix[name]);
    return this.mode === 64 && name !== "fs" && name !== "gs" ? fallback : name;
  }

  #homeOf(name: SegmentName): number {
    if (this.mode !== 16) return dataPage;
    return name === "ss" ? stackPage : name === "cs" ? codePage : dataPage;
  }

  /** ModRM, SIB and displacement of a memory operand at a chosen place. */
  memoryOperand(): void {
    const d = this.dice,
      mode = this.mode;
    this.isMemory = true;
    if (this.one(mode === 16 ? 5 : 12)) {
      this.addressSize = mode === 64 ? 32 : mode === 32 ? 16 : 32;
      this.prefixes.push(0x67);
    }
    if (this.addressSize === 16) {
      this.#memory16();
      return;
    }
    const wide = this.addressSize === 64,
      registers = mode === 64 ? 16 : 8;
    const kind = d.below(6);
    const base = d.below(registers);
    let index = d.below(registers);
    while (index === 4 || index === base) index = d.below(registers);
    const hasBase = kind !== 3 && kind !== 5,
      fallback = hasBase && (base === 4 || base === 5) ? "ss" : "ds";
    this.#segment = this.#chooseSegment(fallback);
    const place = this.target(this.t.memory, this.#homeOf(this.#segment));
    this.ea = place;
    const offset = this.offset(place, this.#segment);
    const field = (this.modrmRegister & 7) << 3;
    this.#rex |= (this.modrmRegister & 8) >> 1;
    const bits = wide ? 64 : 32;
    const put = (register: number, value: bigint): void => {
      const garbage = !wide && mode === 64 ? d.u64() & 0xffffffff00000000n : 0n;
      this.set(register, BigInt.asUintN(bits, value) | garbage);
    };
    const mod = kind === 0 ? 0 : this.one(2) ? 1 : 2;
    let disp =
      mod === 1
        ? BigInt.asIntN(8, d.u64())
        : mod === 2
          ? this.one(2)
            ? BigInt.asIntN(32, d.u64())
            : BigInt(d.below(256))
          : 0n;
    const dispBytes = (v: bigint, n: number): number[] =>
      Array.from({ length: n }, (_, i) => Number((v >> BigInt(8 * i)) & 0xffn));
    if (kind === 3) {
      if (mode === 64 && this.one(3)) this.#tail = [field | 4, 0x25, ...dispBytes(offset, 4)];
      else {
        this.#tail = [field | 5, ...dispBytes(offset, 4)];
        this.#ripRelative = mode === 64;
      }
      return;
    }
    const scale = d.below(4);
    if (kind === 5) {
      // index only, or no register at all
      if (wide || this.one(2)) put(index, BigInt(d.below(16)) - 8n);
      const used = wide ? this.state.gpr[index]! : this.state.gpr[index]! & 0xffffffffn;
      this.#rex |= (index & 8) >> 2;
      this.#tail = [
        field | 4,
        (scale << 6) | ((index & 7) << 3) | 5,
        ...dispBytes(offset - (used << BigInt(scale)), 4),
      ];
      return;
    }
    let realMod = mod;
    if (realMod === 0 && (base & 7) === 5) {
      realMod = 1;
      disp = 0n;
    }
    const useIndex = kind === 4;
    const dispLength = realMod === 0 ? 0 : realMod === 1 ? 1 : 4;
    const scaled = useIndex ? this.state.gpr[index]! << BigInt(scale) : 0n;
    put(base, offset - disp - scaled);
    if (!useIndex && (base & 7) !== 4 && !this.one(6)) {
      this.#rex |= (base & 8) >> 3;
      this.#tail = [(realMod << 6) | field | (base & 7), ...dispBytes(disp, dispLength)];
      return;
    }
    const sibIndex = useIndex ? index : 4;
    this.#rex |= ((base & 8) >> 3) | ((sibIndex & 8) >> 2);
    this.#tail = [
      (realMod << 6) | field | 4,
      (scale << 6) | ((sibIndex & 7) << 3) | (base & 7),
      ...dispBytes(disp, dispLength),
    ];
  }

  #memory16(): void {
    const d = this.dice,
      rm = d.below(8);
    const mod = d.below(3),
      direct = mod === 0 && rm === 6,
      fallback = !direct && (rm === 2 || rm === 3 || rm === 6) ? "ss" : "ds";
    if (this.mode === 32) {
      this.#segment = "gs";
      this.prefixes.push(0x65);
    } else this.#segment = this.#chooseSegment(fallback);
    const place = this.target(this.t.memory, this.#homeOf(this.#segment));
    this.ea = place;
    const offset = Number(this.offset(place, this.#segment) & 0xffffn),
      field = (this.modrmRegister & 7) << 3;
    const disp = direct ? offset : mod === 0 ? 0 : mod === 1 ? d.below(256) - 128 : d.below(65536);
    const low = (v: number): number[] =>
      direct || mod === 2 ? [v & 255, (v >> 8) & 255] : mod === 1 ? [v & 255] : [];
    this.#tail = [(mod << 6) | field | rm, ...low(disp)];
    if (direct) return;
    const garbage = (): bigint => d.u64() & 0xffff0000n;
    const base = rm === 2 || rm === 3 || rm === 6 ? RBP : rm === 4 ? RSI : rm === 5 ? RDI : RBX;
    const second = rm === 0 || rm === 2 ? RSI : rm === 1 || rm === 3 ? RDI : -1;
    const plus = second < 0 ? 0 : Number(this.state.gpr[second]! & 0xffffn);
    this.set(base, garbage() | (BigInt(offset - disp - plus) & 0xffffn));
  }

  registerOperand(): void {
    this.modrmMemory = this.dice.below(this.#registers());
    this.#rex |= ((this.modrmMemory & 8) >> 3) | ((this.modrmRegister & 8) >> 1);
    this.#tail = [0xc0 | ((this.modrmRegister & 7) << 3) | (this.modrmMemory & 7)];
  }

  #registers(): number {
    return this.mode === 64 ? 16 : 8;
  }

  #immediateLength(kind: string): number {
    const size = this.t.size || (this.mode === 16 ? 16 : 32);
    if (kind === "ib") return 1;
    if (kind === "iw") return 2;
    if (kind === "O") return this.addressSize / 8;
    if (kind === "iv") return size / 8;
    return size === 16 ? 2 : 4;
  }

  #sizePrefix(): number[] {
    const { size, units } = this.t;
    const fixedSize = units.xmm || units.x87 || this.t.name.startsWith("movnti"); // 66 would make it another opcode
    if (fixedSize) {
      if (size === 64) this.#rex |= 8;
      return [];
    }
    const wordMode = this.mode === 16;
    if (size === 64 && !/^(push|pop|enter|leave|call|jmp|ret)/.test(this.t.name)) this.#rex |= 8;
    if (size === 16) return wordMode ? [] : [0x66];
    return size === 32 && wordMode ? [0x66] : [];
  }

  /** The whole instruction, or null when the case cannot be had. */
  build(): Uint8Array | null {
    const { encoding, operand, hook } = this.t,
      d = this.dice;
    const h = hooks[hook];
    this.register = d.below(this.#registers());
    this.modrmRegister = encoding.modrm === "r" ? d.below(this.#registers()) : (encoding.modrm ?? 0);
    if (encoding.plusRegister) this.#rex |= (this.register & 8) >> 3;
    h?.before?.(this);
    if (encoding.modrm !== null) {
      const memory = operand === "mem" || (operand === "both" && d.below(5) < 2);
      if (memory) this.memoryOperand();
      else this.registerOperand();
    }
    if (this.t.lockable && this.isMemory && this.one(4)) this.prefixes.push(0xf0);
    const size = this.#sizePrefix();
    const plain = encoding.modrm === null && !encoding.plusRegister && encoding.prefixes.length > 3;
    if (this.mode === 64 && encoding.modrm !== null && this.one(6)) this.#rex |= 0x40;
    const rex = this.mode === 64 && this.#rex && !plain ? [0x40 | this.#rex] : [];
    const opcode = encoding.opcode.slice();
    if (encoding.plusRegister) opcode[opcode.length - 1]! |= this.register & 7;
    for (const kind of encoding.immediates) {
      const n = this.#immediateLength(kind) * 8;
      this.immediates.push(BigInt.asUintN(n, this.one(3) ? BigInt(d.below(9)) - 2n : d.u64()));
    }
    h?.after?.(this);
    const immediates = encoding.immediates.flatMap((kind, i) =>
      Array.from({ length: this.#immediateLength(kind) }, (_, k) =>
        Number((this.immediates[i]! >> BigInt(8 * k)) & 0xffn),
      ),
    );
    const head = [...this.prefixes, ...size, ...encoding.prefixes, ...rex, ...opcode];
    const bytes = Uint8Array.from([...head, ...this.#tail, ...immediates]);
    if (bytes.length > 15 && !plain) return null;
    if (
      this.state.rip + BigInt(bytes.length) > BigInt(this.mode === 16 ? pageSize : codePage + pageSize) &&
      hook !== "fetch"
    )
      return null;
    if (this.#ripRelative) {
      const next = this.state.rip + BigInt(bytes.length);
      const disp = BigInt.asUintN(32, this.offset(this.ea, this.#segment) - next),
        at = head.length + 1;
      for (let i = 0; i < 4; i++) bytes[at + i] = Number((disp >> BigInt(8 * i)) & 0xffn);
    }
    if (this.ea >= 0 && d.below(60) === 0 && !this.t.units.xmm && !this.t.units.x87)
      this.setFlags(this.state.rflags | 0x40000);
    return h?.reject?.(this) ? null : bytes;
  }

  /** The operand a ModRM memory-or-register field names, as far as the start state tells. */
  operandValue(bytes = this.t.size / 8): bigint {
    if (this.isMemory) return this.peek(this.ea, bytes);
    const m = this.modrmMemory;
    if (bytes === 1 && m >= 4 && m < 8 && !this.#rex) return (this.state.gpr[m - 4]! >> 8n) & 0xffn;
    return BigInt.asUintN(bytes * 8, this.state.gpr[m]!);
  }
}
