import { type MmioDevice, type PortDevice, type Saved, SavedRecord } from "../../base/index.ts";
import { type Device, restoreFields, saveFields } from "./device.ts";
import { Planes, planeSize, type Window } from "./vga-planes.ts";
import { Crtc, Graphics, limits, mode3, Sequencer, type VgaFields } from "./vga-registers.ts";

/** RAM that a guest sees in the window while that is plain text memory, 64 KiB of it. */
export interface TextRam {
  /** Shows the RAM from its start in the window, or hides it. */
  show(window: Window | undefined): void;
  read(): Uint8Array;
  write(text: Uint8Array): void;
  /** Has the guest written it since the last call? */
  takeWritten(): boolean;
}

/** Video memory of a display that has modes beyond the VGA's, of which the window can show a part as memory. */
export interface WindowMemory {
  readonly size: number;
  /** Shows it from `offset` on in the window, or nothing. */
  showWindow(window: Window | undefined, offset: number): void;
  read(offset: number, into: Uint8Array): void;
  writeByte(offset: number, value: number): void;
  /** Pages that the guest has written since the last call, one bit each. */
  takeWritten(): Uint8Array;
}

export interface TextScreen {
  readonly columns: number;
  readonly rows: number;
  /** Character and attribute of each cell, row by row. */
  readonly cells: Uint8Array;
  /** Cell number of the cursor. */
  readonly cursor: number;
}

export class VgaText implements PortDevice, MmioDevice, Device {
  static readonly ports = [
    [0x3c0, 16],
    [0x3d4, 2],
    [0x3da, 1],
  ] as const;
  readonly id = "vga";
  readonly version = 1;
  #r = mode3();
  readonly #planes = new Planes(() => this.#r);
  readonly #ram: TextRam | undefined;
  /** The window in which the RAM stands for planes 0 and 1. */
  #shown: Window | undefined;
  #dirty = true;
  readonly #video: WindowMemory | undefined;
  #bankOffset = 0;
  #eightBitPalette = false;
  /** What the window shows of the video memory. */
  #aliased = "";

  /** Without RAM every access to the window is a device access. */
  constructor(ram?: TextRam, video?: WindowMemory) {
    this.#ram = ram;
    this.#video = video;
  }

  /** Registers and planes, for whoever paints the picture. */
  get registers(): Readonly<VgaFields> {
    return this.#r;
  }
  get planes(): Uint8Array {
    return this.#planes.bytes;
  }
  get video(): WindowMemory | undefined {
    return this.#video;
  }
  /** Bits of a palette entry's colours. */
  get paletteBits(): 6 | 8 {
    return this.#eightBitPalette ? 8 : 6;
  }

  /** A mode of the display beyond the VGA's begins, ends, or shows another bank in the window. */
  setBanked(on: boolean, offset: number, eightBitPalette: boolean): void {
    const { sequencer, graphics } = this.#r;
    this.#bankOffset = offset;
    this.#eightBitPalette = eightBitPalette;
    if (on) {
      // Chain-4, all planes, the window at A0000h, plain writes.
      sequencer[Sequencer.memoryMode] = (sequencer[Sequencer.memoryMode] ?? 0) | 8;
      sequencer[Sequencer.mapMask] = 15;
      graphics[Graphics.misc] = ((graphics[Graphics.misc] ?? 0) & ~0xc) | 5;
      graphics[Graphics.mode] = (graphics[Graphics.mode] ?? 0) & ~3;
    }
    this.#follow();
  }

  /** True once after anything on the screen may have changed. */
  takeDirty(): boolean {
    const was = (this.#ram?.takeWritten() ?? false) || this.#dirty;
    this.#dirty = false;
    return was;
  }

  /** What the screen shows. */
  screen(): TextScreen {
    const { crtc } = this.#r;
    const reg = (i: number) => crtc[i] ?? 0;
    const columns = Math.min(reg(1) + 1, 160);
    const overflow = reg(7);
    const lines = (reg(0x12) | ((overflow & 2) << 7) | ((overflow & 0x40) << 3)) + 1;
    const height = (reg(9) & 31) + 1;
    const rows = Math.min((lines - (lines % height)) / height, 100);
    const start = reg(Crtc.startHigh) * 256 + reg(Crtc.startLow);
    const pitch = reg(0x13) * 2;
    const cells = new Uint8Array(columns * rows * 2),
      text = this.#text();
    for (let i = 0; i < columns * rows; i++) {
      const column = i % columns;
      const at = ((start + ((i - column) / columns) * pitch + column) & 0x7fff) * 2;
      cells[2 * i] = text[at] ?? 0;
      cells[2 * i + 1] = text[at + 1] ?? 0;
    }
    return { columns, rows, cells, cursor: reg(Crtc.cursorHigh) * 256 + reg(Crtc.cursorLow) - start };
  }

  /** The screen as lines of text, trailing blanks cut. */
  text(): string[] {
    const { columns, rows, cells } = this.screen();
    return Array.from({ length: rows }, (_, row) => {
      let line = "";
      for (let c = 0; c < columns; c++) {
        const code = cells[2 * (row * columns + c)] ?? 0;
        line += code < 0x20 ? " " : String.fromCharCode(code);
      }
      return line.trimEnd();
    });
  }

  portRead(port: number): number {
    const r = this.#r;
    switch (port) {
      case 0x3c0:
        return r.attributeIndex;
      case 0x3c1:
        return r.attribute[r.attributeIndex & 31] ?? 0;
      case 0x3c2:
        return 0x10;
      case 0x3c4:
        return r.sequencerIndex;
      case 0x3c5:
        return r.sequencer[r.sequencerIndex & 7] ?? 0;
      case 0x3c6:
        return r.dacMask;
      case 0x3c9: {
        const value = r.dac[r.dacRead] ?? 0;
        r.dacRead = (r.dacRead + 1) % 768;
        return value;
      }
      case 0x3cc:
        return r.misc;
      case 0x3ce:
        return r.graphicsIndex;
      case 0x3cf:
        return r.graphics[r.graphicsIndex & 15] ?? 0;
      case 0x3d4:
        return r.crtcIndex;
      case 0x3d5:
        return r.crtc[r.crtcIndex & 31] ?? 0;
      case 0x3da:
        r.attributeData = false;
        // Retrace bits turn with each look, so that nobody waits for a beam.
        r.status1 ^= 9;
        return r.status1;
      default:
        return port === 0x3c7 ? 3 : 0xff;
    }
  }

  portWrite(port: number, _size: number, value: number): void {
    const r = this.#r;
    this.#dirty = true;
    switch (port) {
      case 0x3c0:
        if (r.attributeData) r.attribute[r.attributeIndex & 31] = value;
        else r.attributeIndex = value & 0x3f;
        r.attributeData = !r.attributeData;
        break;
      case 0x3c2:
        r.misc = value;
        break;
      case 0x3c4:
        r.sequencerIndex = value;
        break;
      case 0x3c5:
        r.sequencer[r.sequencerIndex & 7] = value;
        this.#follow();
        break;
      case 0x3c6:
        r.dacMask = value;
        break;
      case 0x3c7:
        r.dacRead = value * 3;
        break;
      case 0x3c8:
        r.dacWrite = value * 3;
        break;
      case 0x3c9:
        r.dac[r.dacWrite] = this.#eightBitPalette ? value : value & 0x3f;
        r.dacWrite = (r.dacWrite + 1) % 768;
        break;
      case 0x3ce:
        r.graphicsIndex = value;
        break;
      case 0x3cf:
        r.graphics[r.graphicsIndex & 15] = value;
        this.#follow();
        break;
      case 0x3d4:
        r.crtcIndex = value;
        break;
      case 0x3d5:
        this.#writeCrtc(value);
        break;
      default:
        break;
    }
  }

  mmioRead(offset: number, size: number): number {
    if (!this.#video || !this.#planes.chained) return this.#planes.read(offset, size);
    const bytes = new Uint8Array(1);
    let value = 0;
    for (let i = size - 1; i >= 0; i--) {
      const at = this.#chained(offset + i);
      if (at >= 0) this.#video.read(at, bytes);
      value = value * 256 + (at < 0 ? 0xff : (bytes[0] ?? 0));
    }
    return value;
  }

  mmioWrite(offset: number, size: number, value: number | bigint): void {
    this.#dirty = true;
    if (!this.#video || !this.#planes.chained) {
      this.#planes.write(offset, size, Number(value));
      return;
    }
    // Chain-4 with something between processor and memory: a byte's plane is in its address.
    for (let i = 0; i < size; i++) {
      const at = this.#chained(offset + i);
      if (at >= 0 && ((this.#r.sequencer[Sequencer.mapMask] ?? 0) >> (at & 3)) & 1)
        this.#video.writeByte(at, (Number(value) >>> (8 * i)) & 0xff);
    }
  }
  /** Offset in video memory of an address in the window, -1 outside it and behind the end of the last bank. */
  #chained(offset: number): number {
    const { base, size } = this.#planes.window(),
      at = this.#bankOffset + offset - base;
    return offset >= base && offset < base + size && at < (this.#video?.size ?? 0) ? at : -1;
  }

  reset(): void {
    this.#r = mode3();
    const { bytes } = this.#planes;
    bytes.fill(0);
    for (let i = 0; i < planeSize; i += 2) [bytes[i], bytes[planeSize + i]] = [0x20, 7];
    this.#alias();
    this.#show();
    this.#dirty = true;
  }

  save(): Saved {
    if (this.#shown) this.#planes.setText(this.#text());
    return { registers: saveFields(this.#r), planes: this.#planes.bytes.slice() };
  }

  restore(state: Saved): void {
    const record = new SavedRecord(this.id, state);
    const r = restoreFields(this.id, mode3(), record.value("registers"), limits);
    this.#planes.bytes.set(record.bytes("planes", 4 * planeSize));
    this.#r = r;
    if (!this.#planes.chainedWindow()) this.#alias();
    this.#show();
    this.#alias();
    this.#dirty = true;
  }

  /** Characters and attributes, wherever they are. */
  #text(): Uint8Array {
    return this.#ram && this.#shown ? this.#ram.read() : this.#planes.text();
  }

  /** A register that rules the window has changed: text moves from the RAM to the planes, or back. */
  #follow(): void {
    const window = this.#planes.plainWindow();
    // What the window shows goes before another thing comes.
    if (!this.#planes.chainedWindow()) this.#alias();
    if (this.#ram && (window?.base !== this.#shown?.base || window?.size !== this.#shown?.size)) {
      if (this.#shown) this.#planes.setText(this.#ram.read());
      this.#show();
    }
    this.#alias();
  }
  /** Shows video memory in the window while that is chain-4 and plain. */
  #alias(): void {
    const video = this.#video;
    if (!video) return;
    const window = this.#planes.chainedWindow(),
      offset = Math.min(this.#bankOffset, video.size - (window?.size ?? 0)),
      key = window ? `${window.base} ${window.size} ${offset}` : "";
    if (key === this.#aliased) return;
    this.#aliased = key;
    video.showWindow(window, offset);
  }
  /** The planes are right: shows them as RAM if the window is plain. */
  #show(): void {
    const ram = this.#ram;
    if (!ram) return;
    this.#shown = this.#planes.plainWindow();
    if (this.#shown) ram.write(this.#planes.text());
    ram.show(this.#shown);
  }

  /** Registers 0-7 are locked by bit 7 of register 11h, all but the line compare bit in 7. */
  #writeCrtc(value: number): void {
    const { crtc, crtcIndex } = this.#r;
    const i = crtcIndex & 31;
    if (i < 8 && (crtc[0x11] ?? 0) & 0x80) {
      if (i === 7) crtc[7] = ((crtc[7] ?? 0) & ~0x10) | (value & 0x10);
      return;
    }
    crtc[i] = value;
  }
}
