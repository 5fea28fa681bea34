import type { MachineBus } from "../bus.ts";
import { PciFunction } from "./function.ts";

/*
 * 82441FX PMC, host bridge 00:00.0. PAM registers (59h-5Fh) hold a nibble per segment: bit 0 reads go to DRAM,
 * bit 1 writes go to DRAM.
 *   59h high nibble: F0000, 64 KiB; then low and high nibbles of 5Ah-5Fh: 16 KiB each from C0000 up
 *   72h SMRAM: kept, no SMM behind it
 */
const pamBase = 0x59;
const smram = 0x72;

export interface PamSegment {
  readonly base: number;
  readonly size: number;
  readonly readDram: boolean;
  readonly writeDram: boolean;
}

export class I440fx extends PciFunction {
  readonly id = "i440fx";
  readonly #onPam: (segments: readonly PamSegment[]) => void;

  /** onPam hears of each change; the callback must not read back. */
  constructor(bus: MachineBus, onPam: (segments: readonly PamSegment[]) => void) {
    super(bus, { vendor: 0x8086, device: 0x1237, revision: 2, classCode: 0x060000 });
    this.#onPam = onPam;
    this.define(pamBase, 0, 0x30);
    for (let i = 1; i < 7; i++) this.define(pamBase + i, 0, 0x33);
    this.define(smram, 2, 0x78);
  }

  /** The 13 segments of C0000-FFFFF in ascending order. */
  pam(): PamSegment[] {
    const segments: PamSegment[] = [];
    for (let i = 0; i < 13; i++) {
      const at = i === 12 ? pamBase : pamBase + 1 + (i >> 1);
      const nibble = (this.config[at] ?? 0) >> (i === 12 || i & 1 ? 4 : 0);
      segments.push({
        base: 0xc0000 + i * 0x4000,
        size: i === 12 ? 0x10000 : 0x4000,
        readDram: (nibble & 1) !== 0,
        writeDram: (nibble & 2) !== 0,
      });
    }
    return segments;
  }

  protected override configChanged(offset: number, size: number): void {
    if (offset < pamBase + 7 && offset + size > pamBase) this.#onPam(this.pam());
  }
}
