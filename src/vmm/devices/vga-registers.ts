/*
 * Registers of a VGA (IBM VGA technical reference), as text mode needs them.
 *   3C0 attribute index/data, 3C1 read | 3C2 misc (write), status 0 | 3C4/5 sequencer | 3C6-9 DAC | 3CC misc
 *   3CE/F graphics | 3D4/5 CRTC | 3DA status 1, clears the attribute flip-flop
 */
export const Sequencer = { mapMask: 2, memoryMode: 4 } as const;
export const Graphics = { setReset: 0, enable: 1, rotate: 3, readMap: 4, mode: 5, misc: 6, bitMask: 8 } as const;
export const Crtc = { startHigh: 12, startLow: 13, cursorHigh: 14, cursorLow: 15 } as const;

export type VgaFields = {
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
export function mode3(): VgaFields {
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

export const limits = { dacRead: 767, dacWrite: 767 };
