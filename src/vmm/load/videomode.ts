import { LoadError } from "./image.ts";

/*
 * `vga=` on a kernel's command line (Linux kernel documentation, "Video Mode Selection Support"). It is for the boot
 * loader to obey: it sets the mode and tells the kernel of it in screen_info, as a kernel that starts in protected mode
 * has no BIOS to ask any more.
 */

/** A picture mode; `depth` in bits a pixel. */
export interface VideoMode {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
}

/** A mode that is set: where the picture begins, and bytes from one line to the next and in all of video memory. */
export interface Picture extends VideoMode {
  readonly base: number;
  readonly pitch: number;
  readonly memory: number;
}

const VESA = 0x200;

/** VESA's numbers, and from 142h on those of QEMU's VGA BIOS for 32 bits. */
const MODES: Readonly<Record<number, readonly [number, number, number]>> = {
  0x101: [640, 480, 8], 0x103: [800, 600, 8], 0x105: [1024, 768, 8], 0x107: [1280, 1024, 8],
  0x110: [640, 480, 15], 0x111: [640, 480, 16], 0x112: [640, 480, 24], 0x142: [640, 480, 32],
  0x113: [800, 600, 15], 0x114: [800, 600, 16], 0x115: [800, 600, 24], 0x143: [800, 600, 32],
  0x116: [1024, 768, 15], 0x117: [1024, 768, 16], 0x118: [1024, 768, 24], 0x144: [1024, 768, 32],
  0x119: [1280, 1024, 15], 0x11a: [1280, 1024, 16], 0x11b: [1280, 1024, 24], 0x145: [1280, 1024, 32],
};
/** Text as it is: what `vga=normal` and a machine without a mode to set have. */
const TEXT = ["normal", "0xffff", "65535", "0", "0x0", "0xf00", "3840"];

/** The mode that the last `vga=` asks for; undefined for text or without one. Throws LoadError for an unknown one. */
export function videoMode(commandLine: string): VideoMode | undefined {
  const asked = commandLine.split(/\s+/).filter((word) => word.startsWith("vga=")).at(-1)?.slice(4).toLowerCase();
  if (asked === undefined || TEXT.includes(asked)) return undefined;
  const mode = /^(0x[0-9a-f]{1,4}|[0-9]{1,5})$/.test(asked) ? MODES[Number(asked) - VESA] : undefined;
  if (mode === undefined) {
    const known = Object.keys(MODES).map((n) => `0x${(Number(n) + VESA).toString(16)}`).join(", ");
    throw new LoadError(`vga=${asked.slice(0, 20)}`, "is no video mode of the standard VGA", `choose one of ${known}, or normal`);
  }
  const [width, height, depth] = mode;
  return { width, height, depth };
}

/** Size and position in bits of red, green, blue and the rest of a pixel. */
const CHANNELS: Readonly<Record<number, readonly number[]>> = {
  8: [6, 0, 6, 0, 6, 0, 0, 0],
  15: [5, 10, 5, 5, 5, 0, 1, 15],
  16: [5, 11, 6, 5, 5, 0, 0, 0],
  24: [8, 16, 8, 8, 8, 0, 0, 0],
  32: [8, 16, 8, 8, 8, 0, 8, 24],
};
/** VIDEO_TYPE_VLFB: VESA graphics in a linear framebuffer. */
const LINEAR = 0x23;

/** Fills struct screen_info (the kernel's include/uapi/linux/screen_info.h) at the start of the zero page. */
export function writeScreenInfo(page: DataView, picture: Picture | undefined): void {
  const byte = (at: number, value: number) => { page.setUint8(at, value); };
  const word = (at: number, value: number) => { page.setUint16(at, value, true); };
  if (picture === undefined) {
    // VGA text mode 3, 80 x 25, 16-line characters.
    byte(0x06, 3);
    byte(0x07, 80);
    byte(0x0e, 25);
    byte(0x0f, 1);
    byte(0x10, 16);
    return;
  }
  byte(0x0f, LINEAR);
  word(0x12, picture.width);
  word(0x14, picture.height);
  word(0x16, picture.depth);
  page.setUint32(0x18, picture.base, true);
  page.setUint32(0x1c, picture.memory >>> 16, true);
  word(0x24, picture.pitch);
  CHANNELS[picture.depth]?.forEach((value, i) => { byte(0x26 + i, value); });
  word(0x32, Math.max(1, Math.floor(picture.memory / (picture.pitch * picture.height))));
}
