import { Graphics, Sequencer, type VgaFields } from "./vga-registers.ts";

export const planeSize = 0x10000;
/** Base and size of the window in A0000-BFFFF, by graphics register 6. */
const windows = [
  [0, 0x20000],
  [0, 0x10000],
  [0x10000, 0x8000],
  [0x18000, 0x8000],
] as const;

/** Where the window lies, from A0000h on. */
export interface Window {
  readonly base: number;
  readonly size: number;
}

/** Four planes of 64 KiB, 0 characters, 1 attributes, 2 fonts, and how the window reaches them. */
export class Planes {
  readonly bytes = new Uint8Array(4 * planeSize);
  readonly #registers: () => VgaFields;

  constructor(registers: () => VgaFields) {
    this.#registers = registers;
  }

  get #r(): VgaFields {
    return this.#registers();
  }

  /**
   * The window as long as it is plain text memory: characters at even addresses, attributes at odd ones, and nothing
   * between the processor and them. Undefined while any register makes more of an access.
   */
  plainWindow(): Window | undefined {
    const { sequencer } = this.#r,
      [base, size] = windows[(this.#g(Graphics.misc) >> 2) & 3] ?? windows[3];
    const writes =
      ((sequencer[Sequencer.mapMask] ?? 0) & 15) === 3 &&
      ((sequencer[Sequencer.memoryMode] ?? 0) & 4) === 0 &&
      (this.#g(Graphics.mode) & 3) === 0 &&
      (this.#g(Graphics.rotate) & 0x1f) === 0 &&
      (this.#g(Graphics.enable) & 3) === 0 &&
      this.#g(Graphics.bitMask) === 0xff;
    const reads = (this.#g(Graphics.mode) & 0x10) !== 0 && (this.#g(Graphics.readMap) & 2) === 0;
    return writes && reads && size < 2 * planeSize ? { base, size } : undefined;
  }

  /** Chain-4: the low two bits of an address choose the plane. */
  get chained(): boolean {
    return ((this.#r.sequencer[Sequencer.memoryMode] ?? 0) & 8) !== 0;
  }
  /** The window as long as it is plain memory in chain-4. */
  chainedWindow(): Window | undefined {
    const plain =
      ((this.#r.sequencer[Sequencer.mapMask] ?? 0) & 15) === 15 &&
      (this.#g(Graphics.mode) & 3) === 0 &&
      (this.#g(Graphics.rotate) & 0x1f) === 0 &&
      (this.#g(Graphics.enable) & 15) === 0 &&
      this.#g(Graphics.bitMask) === 0xff;
    return this.chained && plain ? this.window() : undefined;
  }
  window(): Window {
    const [base, size] = windows[(this.#g(Graphics.misc) >> 2) & 3] ?? windows[3];
    return { base, size };
  }

  /** Planes 0 and 1 as text memory has them: cell by cell, character and attribute. */
  text(): Uint8Array {
    const text = this.bytes.slice(0, planeSize);
    for (let i = 0; i < planeSize; i += 2) text[i + 1] = this.bytes[planeSize + i] ?? 0;
    return text;
  }
  setText(text: Uint8Array): void {
    for (let i = 0; i < planeSize; i += 2) {
      this.bytes[i] = text[i] ?? 0;
      this.bytes[planeSize + i] = text[i + 1] ?? 0;
    }
  }

  read(offset: number, size: number): number {
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this.#readByte(offset + i);
    return value;
  }
  write(offset: number, size: number, value: number): void {
    for (let i = 0; i < size; i++) this.#writeByte(offset + i, (value >>> (8 * i)) & 0xff);
  }

  /** Offset into the planes' address space, or -1 outside the window. */
  #inWindow(offset: number): number {
    const [base, size] = windows[(this.#g(Graphics.misc) >> 2) & 3] ?? windows[3];
    return offset >= base && offset < base + size ? (offset - base) & 0xffff : -1;
  }

  #g(i: number): number {
    return this.#r.graphics[i] ?? 0;
  }

  #readByte(offset: number): number {
    const at = this.#inWindow(offset);
    if (at < 0) return 0xff;
    const oddEven = (this.#g(Graphics.mode) & 0x10) !== 0;
    const cell = oddEven ? at & ~1 : at;
    for (let p = 0; p < 4; p++) this.#r.latches[p] = this.bytes[p * planeSize + cell] ?? 0;
    const plane = oddEven ? (this.#g(Graphics.readMap) & 2) | (at & 1) : this.#g(Graphics.readMap) & 3;
    return this.#r.latches[plane] ?? 0;
  }

  #writeByte(offset: number, value: number): void {
    const at = this.#inWindow(offset);
    if (at < 0) return;
    const mask = this.#r.sequencer[Sequencer.mapMask] ?? 0;
    // Memory mode bit 2 clear: even addresses reach planes 0 and 2, odd ones 1 and 3.
    const oddEven = ((this.#r.sequencer[Sequencer.memoryMode] ?? 0) & 4) === 0;
    const cell = oddEven ? at & ~1 : at;
    for (let p = 0; p < 4; p++) {
      if (!((mask >> p) & 1) || (oddEven && (p & 1) !== (at & 1))) continue;
      this.bytes[p * planeSize + cell] = this.#mix(p, value);
    }
  }

  /** Write modes 0 to 3 for one plane. */
  #mix(plane: number, value: number): number {
    const latch = this.#r.latches[plane] ?? 0;
    const rotate = this.#g(Graphics.rotate);
    const turned = ((value >> (rotate & 7)) | (value << (8 - (rotate & 7)))) & 0xff;
    const set = (this.#g(Graphics.setReset) >> plane) & 1 ? 0xff : 0;
    const mode = this.#g(Graphics.mode) & 3;
    if (mode === 1) return latch;
    let data = (this.#g(Graphics.enable) >> plane) & 1 ? set : turned;
    if (mode === 2) data = (value >> plane) & 1 ? 0xff : 0;
    if (mode === 3) data = set;
    const op = (rotate >> 3) & 3;
    if (op === 1) data &= latch;
    else if (op === 2) data |= latch;
    else if (op === 3) data ^= latch;
    const bits = mode === 3 ? this.#g(Graphics.bitMask) & turned : this.#g(Graphics.bitMask);
    return (data & bits) | (latch & ~bits);
  }
}
