import { type MmioDevice, type PortDevice, type Saved, SavedRecord } from "../../base/index.ts";
import { type Device, restoreFields, saveFields } from "./device.ts";

/*
 * VGA as text mode needs it (IBM VGA technical reference). Four planes of 64 KiB: 0 characters, 1 attributes, 2 fonts.
 *   3C0 attribute index/data, 3C1 read | 3C2 misc (write), status 0 | 3C4/5 sequencer | 3C6-9 DAC | 3CC misc
 *   3CE/F graphics | 3D4/5 CRTC | 3DA status 1, clears the attribute flip-flop
 * Window by graphics register 6: A0000 128K, A0000 64K, B0000 32K, B8000 32K.
 */
const Sequencer = { mapMask: 2, memoryMode: 4 } as const;
const Graphics = { setReset: 0, enable: 1, rotate: 3, readMap: 4, mode: 5, misc: 6, bitMask: 8 } as const;
const Crtc = { startHigh: 12, startLow: 13, cursorHigh: 14, cursorLow: 15 } as const;
const planeSize = 0x10000;
const windows = [
  [0, 0x20000],
  [0, 0x10000],
  [0x10000, 0x8000],
  [0x18000, 0x8000],
] as const;

type VgaFields = {
  sequencer: Uint8Array;
  graphics: Uint8Array;
  crtc: Uint8Array;
  attribute: Uint8Array;
  dac: Uint8Array;
  latches: Uint8Array;
  sequencerIndex: number;
  graphicsIndex: number;
  crtcIndex: number;
  attributeIndex: number;
  attributeData: boolean;
  misc: number;
  dacMask: number;
  dacRead: number;
  dacWrite: number;
  status1: number;
};

/** Mode 3, as a video BIOS leaves it: 80 x 25, colour. */
function mode3(): VgaFields {
  const sized = (n: number, ...v: number[]) => {
    const bytes = new Uint8Array(n);
    bytes.set(v);
    return bytes;
  };
  return {
    sequencer: sized(8, 3, 0, 3, 0, 2),
    graphics: sized(16, 0, 0, 0, 0, 0, 0x10, 0x0e, 0x0f, 0xff),
    crtc: sized(
      32,
      0x5f,
      0x4f,
      0x50,
      0x82,
      0x55,
      0x81,
      0xbf,
      0x1f,
      0,
      0x4f,
      0x0d,
      0x0e,
      0,
      0,
      0,
      0,
      0x9c,
      0x8e,
      0x8f,
      0x28,
      0x1f,
      0x96,
      0xb9,
      0xa3,
      0xff,
    ),
    attribute: sized(
      32,
      0,
      1,
      2,
      3,
      4,
      5,
      0x14,
      7,
      0x38,
      0x39,
      0x3a,
      0x3b,
      0x3c,
      0x3d,
      0x3e,
      0x3f,
      0x0c,
      0,
      0x0f,
      8,
    ),
    dac: new Uint8Array(768),
    latches: new Uint8Array(4),
    sequencerIndex: 0,
    graphicsIndex: 0,
    crtcIndex: 0,
    attributeIndex: 0x20,
    attributeData: false,
    misc: 0x67,
    dacMask: 0xff,
    dacRead: 0,
    dacWrite: 0,
    status1: 0,
  };
}

const limits = { dacRead: 767, dacWrite: 767 };

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
  #planes = new Uint8Array(4 * planeSize);
  #dirty = true;

  /** True once after anything on the screen may have changed. */
  takeDirty(): boolean {
    const was = this.#dirty;
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
    const cells = new Uint8Array(columns * rows * 2);
    for (let i = 0; i < columns * rows; i++) {
      const column = i % columns;
      const at = ((start + ((i - column) / columns) * pitch + column) & 0x7fff) * 2;
      // Odd/even addressing leaves each plane's odd bytes unused.
      cells[2 * i] = this.#planes[at & 0xfffe] ?? 0;
      cells[2 * i + 1] = this.#planes[planeSize + (at & 0xfffe)] ?? 0;
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
        r.dac[r.dacWrite] = value & 0x3f;
        r.dacWrite = (r.dacWrite + 1) % 768;
        break;
      case 0x3ce:
        r.graphicsIndex = value;
        break;
      case 0x3cf:
        r.graphics[r.graphicsIndex & 15] = value;
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
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this.#readByte(offset + i);
    return value;
  }

  mmioWrite(offset: number, size: number, value: number | bigint): void {
    this.#dirty = true;
    for (let i = 0; i < size; i++) this.#writeByte(offset + i, (Number(value) >>> (8 * i)) & 0xff);
  }

  reset(): void {
    this.#r = mode3();
    this.#planes.fill(0);
    for (let i = 0; i < planeSize; i += 2) [this.#planes[i], this.#planes[planeSize + i]] = [0x20, 7];
    this.#dirty = true;
  }

  save(): Saved {
    return { registers: saveFields(this.#r), planes: this.#planes.slice() };
  }

  restore(state: Saved): void {
    const record = new SavedRecord(this.id, state);
    const r = restoreFields(this.id, mode3(), record.value("registers"), limits);
    this.#planes = record.bytes("planes", 4 * planeSize).slice();
    this.#r = r;
    this.#dirty = true;
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
    for (let p = 0; p < 4; p++) this.#r.latches[p] = this.#planes[p * planeSize + cell] ?? 0;
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
      this.#planes[p * planeSize + cell] = this.#mix(p, value);
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
