import type { PortDevice, Saved } from "../../base/index.ts";
import { SavedRecord } from "../../base/index.ts";

/*
 * The "Bochs VBE" registers of Bochs and QEMU: a word index at port 1CEh, the word it selects at 1CFh and 1D0h.
 *   0 id B0C5   1 width  2 height  3 bits a pixel  4 enable  5 bank of 64 KiB  6 virtual width  7 virtual height
 *   8 x offset  9 y offset  A memory in 64 KiB
 *   enable   7 keep memory  6 linear framebuffer  5 eight-bit palette  1 registers 1 to 3 read as their limits  0 on
 */
const Index = { id: 0, width: 1, height: 2, depth: 3, enable: 4, bank: 5, virtualWidth: 6, virtualHeight: 7, x: 8, y: 9, memory: 10 } as const;
const Enable = { on: 1, limits: 2, palette8: 0x20, linear: 0x40, keepMemory: 0x80 } as const;
const COUNT = 10;
const ID = 0xb0c5;
const LIMITS = [0, 2560, 1600, 32] as const;
const DEPTHS = [8, 15, 16, 24, 32];
const BANK = 0x10000;

/** How the picture lies in video memory. */
export interface Geometry {
  readonly width: number;
  readonly height: number;
  /** Bits a pixel: 8, 15, 16, 24 or 32. */
  readonly depth: number;
  /** Bytes from one line to the next, and to the first one. */
  readonly pitch: number;
  readonly start: number;
}

export interface VbeOptions {
  /** Bytes of video memory. */
  readonly memory: number;
  /** The mode, or the bank that the window shows, is another one now. */
  readonly changed: () => void;
  /** A mode begins whose picture is to be black. */
  readonly clear: (bytes: number) => void;
}

export class Vbe implements PortDevice {
  static readonly ports = [0x1ce, 4] as const;
  readonly #o: VbeOptions;
  #r = powerOn();
  #index = 0;
  /** Raised by anything that moves the picture. */
  moved = true;

  constructor(options: VbeOptions) {
    this.#o = options;
  }

  get on(): boolean {
    return (this.#reg(Index.enable) & Enable.on) !== 0;
  }
  get eightBitPalette(): boolean {
    return this.on && (this.#reg(Index.enable) & Enable.palette8) !== 0;
  }
  /** Where the window into video memory begins. */
  get bankOffset(): number {
    return this.on ? this.#reg(Index.bank) * BANK : 0;
  }

  geometry(): Geometry | undefined {
    if (!this.on) return undefined;
    const depth = this.#reg(Index.depth),
      bytes = Math.ceil(depth / 8),
      pitch = this.#reg(Index.virtualWidth) * bytes,
      start = this.#reg(Index.y) * pitch + this.#reg(Index.x) * bytes,
      lines = Math.floor(Math.max(0, this.#o.memory - start) / pitch);
    return { width: this.#reg(Index.width), height: Math.min(this.#reg(Index.height), lines), depth, pitch, start };
  }

  portRead(port: number): number {
    return port === 0x1ce ? this.#index : this.read(this.#index);
  }
  portWrite(port: number, _size: number, value: number): void {
    if (port === 0x1ce) this.#index = value & 0xffff;
    else this.write(this.#index, value);
  }

  read(index: number): number {
    if (index === Index.memory) return this.#o.memory / BANK;
    if (index >= Index.width && index <= Index.depth && (this.#reg(Index.enable) & Enable.limits) !== 0)
      return LIMITS[index] ?? 0;
    return this.#r[index] ?? 0;
  }

  write(index: number, value: number): void {
    const r = this.#r;
    this.moved = true;
    if (index === Index.id) {
      if (value >= 0xb0c0 && value <= ID) r[Index.id] = value;
    } else if (index === Index.bank) {
      r[index] = value % (this.#o.memory / BANK);
      this.#o.changed();
    } else if (index === Index.enable) this.#enable(value);
    else if (index > Index.id && index < COUNT) {
      r[index] = value;
      if (this.on) this.#fit();
    }
  }

  /** A linear framebuffer of this size, black. */
  setMode(width: number, height: number, depth: number): void {
    for (const [index, value] of [[Index.enable, 0], [Index.width, width], [Index.height, height], [Index.depth, depth], [Index.enable, Enable.on | Enable.linear]] as const)
      this.write(index, value);
  }

  reset(): void {
    this.#r = powerOn();
    this.#index = 0;
    this.moved = true;
    this.#o.changed();
  }

  save(): Saved {
    return { index: this.#index, registers: new Uint8Array(this.#r.buffer.slice(0)) };
  }
  restore(id: string, state: Saved): void {
    const record = new SavedRecord(id, state),
      index = record.int("index", 0xffff),
      bytes = record.bytes("registers", COUNT * 2);
    this.#r = new Uint16Array(bytes.slice().buffer);
    this.#index = index;
    // A state that no guest can have made is brought back to one that it can.
    this.#r[Index.bank] = this.#reg(Index.bank) % (this.#o.memory / BANK);
    if (this.on) this.#fit();
    this.moved = true;
    this.#o.changed();
  }

  #reg(index: number): number {
    return this.#r[index] ?? 0;
  }

  #enable(value: number): void {
    const r = this.#r,
      before = this.on;
    r[Index.enable] = value & 0xe3;
    if (!this.on) r[Index.bank] = 0;
    else if (!before) {
      r[Index.virtualWidth] = 0;
      r[Index.x] = r[Index.y] = r[Index.bank] = 0;
      this.#fit();
      const g = this.geometry();
      if (g && (value & Enable.keepMemory) === 0) this.#o.clear(g.pitch * g.height);
    }
    this.#o.changed();
  }

  /** The guest asks for anything: what cannot be shown becomes the nearest that can. */
  #fit(): void {
    const r = this.#r,
      within = (index: number, least: number, most: number) => {
        r[index] = Math.min(Math.max(this.#reg(index), least), most);
      };
    within(Index.width, 8, LIMITS[1]);
    within(Index.height, 1, LIMITS[2]);
    if (!DEPTHS.includes(this.#reg(Index.depth))) r[Index.depth] = 8;
    const bytes = Math.ceil(this.#reg(Index.depth) / 8);
    within(Index.virtualWidth, this.#reg(Index.width), 0xfff8);
    const lines = Math.floor(this.#o.memory / (this.#reg(Index.virtualWidth) * bytes));
    within(Index.height, 1, lines);
    r[Index.virtualHeight] = lines;
    within(Index.x, 0, this.#reg(Index.virtualWidth) - this.#reg(Index.width));
    within(Index.y, 0, lines - this.#reg(Index.height));
  }
}

function powerOn(): Uint16Array<ArrayBuffer> {
  const r = new Uint16Array(COUNT);
  r[Index.id] = ID;
  return r;
}
