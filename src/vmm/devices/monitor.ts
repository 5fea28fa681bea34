import type { WindowMemory } from "./vga.ts";
import type { TextScreen, VgaText } from "./vga.ts";
import type { Geometry, Vbe } from "./vbe.ts";
import { planeSize } from "./vga-planes.ts";

/** Lines of the picture, top to bottom: RGBA, four bytes a pixel. */
export interface Band {
  readonly y: number;
  readonly lines: number;
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
}

/** What has changed on the monitor. A picture comes in bands: those that were written, or all of it as one. */
export type ScreenUpdate =
  | ({ readonly kind: "text" } & TextScreen)
  | {
      readonly kind: "picture";
      readonly width: number;
      readonly height: number;
      /** "8 bits a pixel", "16 colours in planes". */
      readonly format: string;
      /** All of it; otherwise only what was reported dirty. */
      readonly whole: boolean;
      readonly bands: readonly Band[];
    };

const PAGE = 4096;
const BLACK = 0xff000000;

/** The monitor at a display: asks what was written since it last looked, and turns that into pixels. */
export class Monitor {
  readonly #vga: VgaText;
  readonly #vbe: Vbe | undefined;
  /** What was shown last: another mode is painted whole. */
  #mode = "";

  constructor(vga: VgaText, vbe?: Vbe) {
    this.#vga = vga;
    this.#vbe = vbe;
  }

  /** What is new; undefined when nothing is. `all`: whoever asks has shown nothing yet. */
  look(all: boolean): ScreenUpdate | undefined {
    const registers = this.#vga.takeDirty(),
      moved = this.#vbe?.moved ?? false,
      written = this.#vga.video?.takeWritten();
    if (this.#vbe) this.#vbe.moved = false;
    const shape = this.#shape(),
      mode = shape ? `${shape.format} ${shape.width}x${shape.height}` : "text",
      whole = all || mode !== this.#mode || registers || moved;
    this.#mode = mode;
    if (!shape) return whole ? { kind: "text", ...this.#vga.screen() } : undefined;
    const { width, height, format } = shape,
      spans = whole ? [{ y: 0, lines: height }] : shape.lines(written ?? new Uint8Array(0));
    if (spans.length === 0) return undefined;
    const bands = spans.map(({ y, lines }): Band => {
      const pixels = new Uint8ClampedArray(width * lines * 4);
      shape.paint(y, lines, new Uint32Array(pixels.buffer));
      return { y, lines, pixels };
    });
    return { kind: "picture", width, height, format, whole, bands };
  }

  #shape(): Shape | undefined {
    const vga = this.#vga,
      { graphics, sequencer, crtc } = vga.registers,
      linear = this.#vbe?.geometry();
    if (linear && vga.video) return packed(vga, vga.video, linear, `${linear.depth} bits a pixel`);
    if (((graphics[6] ?? 0) & 1) === 0) return undefined;
    const reg = (i: number): number => crtc[i] ?? 0,
      chained = ((sequencer[4] ?? 0) & 8) !== 0,
      overflow = reg(7),
      total = (reg(0x12) | ((overflow & 2) << 7) | ((overflow & 0x40) << 3)) + 1,
      repeated = ((reg(9) & 31) + 1) * (reg(9) & 0x80 ? 2 : 1),
      height = Math.max(1, Math.floor(total / repeated)),
      start = reg(12) * 256 + reg(13);
    if (!chained) return planar(vga, { width: (reg(1) + 1) * 8, height, pitch: reg(0x13) * 2, start, depth: 4 });
    if (!vga.video) return undefined;
    const width = (reg(1) + 1) * 4;
    return packed(vga, vga.video, { width, height, pitch: reg(0x13) * 8, start: start * 4, depth: 8 }, "256 colours, chain-4");
  }
}

interface Shape {
  readonly width: number;
  readonly height: number;
  readonly format: string;
  /** Stretches of lines that lie on pages of which a bit is set. */
  lines(written: Uint8Array): { readonly y: number; readonly lines: number }[];
  paint(y: number, lines: number, into: Uint32Array): void;
}

/** A palette entry as a little-endian RGBA word. */
function colour(vga: VgaText, entry: number): number {
  const { dac } = vga.registers,
    full = (v: number): number => (vga.paletteBits === 8 ? v : (v << 2) | (v >> 4)),
    c = (i: number): number => full(dac[entry * 3 + i] ?? 0);
  return (BLACK | (c(2) << 16) | (c(1) << 8) | c(0)) >>> 0;
}

/** Four planes of one bit: the attribute registers turn sixteen numbers into palette entries. */
function planar(vga: VgaText, g: Geometry): Shape {
  return {
    width: g.width,
    height: g.height,
    format: "16 colours in planes",
    // Every write to the planes traps and marks the whole.
    lines: () => [],
    paint(y, lines, into) {
      const { planes, registers } = vga,
        colours = Array.from({ length: 16 }, (_, n) => colour(vga, (registers.attribute[n] ?? 0) & 0x3f));
      for (let line = 0; line < lines; line++) {
        for (let x = 0; x < g.width; x++) {
          const at = (g.start + (y + line) * g.pitch + (x >> 3)) & (planeSize - 1),
            bit = 7 - (x & 7);
          let n = 0;
          for (let p = 0; p < 4; p++) n |= (((planes[p * planeSize + at] ?? 0) >> bit) & 1) << p;
          into[line * g.width + x] = colours[n] ?? BLACK;
        }
      }
    },
  };
}

/** Pixels one behind the other in video memory. */
function packed(vga: VgaText, video: WindowMemory, g: Geometry, format: string): Shape {
  const bytes = Math.ceil(g.depth / 8);
  return {
    width: g.width,
    height: g.height,
    format,
    lines(written) {
      const spans: { y: number; lines: number }[] = [],
        first = Math.floor(g.start / PAGE),
        last = Math.min(Math.floor((g.start + g.pitch * g.height - 1) / PAGE), written.length * 8 - 1);
      for (let page = first; page <= last; page++) {
        if ((((written[page >>> 3] ?? 0) >> (page & 7)) & 1) === 0) continue;
        const from = Math.max(0, Math.floor((page * PAGE - g.start) / g.pitch)),
          to = Math.min(g.height - 1, Math.floor((page * PAGE + PAGE - 1 - g.start) / g.pitch)),
          before = spans.at(-1);
        if (from > to) continue;
        if (before && from <= before.y + before.lines) before.lines = to + 1 - before.y;
        else spans.push({ y: from, lines: to + 1 - from });
      }
      return spans;
    },
    paint(y, lines, into) {
      const line = new Uint8Array(g.width * bytes),
        palette = Uint32Array.from({ length: g.depth === 8 ? 256 : 0 }, (_, n) => colour(vga, n));
      for (let i = 0; i < lines; i++) {
        const at = g.start + (y + i) * g.pitch;
        if (at + line.length > video.size) return;
        video.read(at, line);
        convert(line, g.depth, palette, into.subarray(i * g.width, (i + 1) * g.width));
      }
    },
  };
}

/** One line of 8, 15, 16, 24 or 32 bits a pixel; blue lies lowest. */
function convert(line: Uint8Array, depth: number, palette: Uint32Array, into: Uint32Array): void {
  const byte = (i: number): number => line[i] ?? 0,
    wide = (v: number, bits: number): number => (v << (8 - bits)) | (v >> (2 * bits - 8));
  for (let x = 0; x < into.length; x++) {
    if (depth === 8) into[x] = palette[byte(x)] ?? BLACK;
    else if (depth > 16) {
      const at = x * (depth / 8);
      into[x] = BLACK | (byte(at) << 16) | (byte(at + 1) << 8) | byte(at + 2);
    } else {
      const v = byte(2 * x) | (byte(2 * x + 1) << 8),
        green = depth === 16 ? wide((v >> 5) & 63, 6) : wide((v >> 5) & 31, 5);
      into[x] = BLACK | (wide(v & 31, 5) << 16) | (green << 8) | wide((v >> (depth === 16 ? 11 : 10)) & 31, 5);
    }
  }
}
