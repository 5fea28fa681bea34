import type { IrqLine, Saved } from "../../base/index.ts";
import { SavedRecord } from "../../base/index.ts";
import type { MachineBus } from "../bus.ts";
import { PciFunction } from "./function.ts";

/*
 * 82371SB PIIX3, ISA bridge 00:01.0. PIRQRC[A:D] at 60h-63h: bit 7 not routed, bits 3-0 the ISA interrupt.
 */
const pirqRoute = 0x60;
/** Interrupts a PIRQ may be routed to: 3-7, 9-12, 14, 15. */
const routable = 0xdef8;

export class Piix3 extends PciFunction {
  readonly id = "piix3";
  readonly #isaIrq: readonly IrqLine[];
  /** Level of each device's INTA-D: index device * 4 + pin - 1. */
  readonly #levels = new Uint8Array(128);

  /** isaIrq: sixteen wires of this bridge's own, shared with nobody. */
  constructor(bus: MachineBus, isaIrq: readonly IrqLine[]) {
    super(bus, { vendor: 0x8086, device: 0x7000, revision: 0, classCode: 0x060100, multifunction: true });
    this.#isaIrq = isaIrq;
    this.define(0x04, 0x07, 0x00);
    this.define(0x07, 0x02, 0x00);
    this.define(0x4c, 0x4d, 0xff);
    this.define(0x4e, 0x03, 0xff);
    for (let i = 0; i < 4; i++) this.define(pirqRoute + i, 0x80, 0x8f);
    this.define(0x69, 0x02, 0xfe);
  }

  /** The wire of one interrupt pin (1 = INTA) of a PCI device; pins rotate over the PIRQs by device number. */
  intx(device: number, pin: number): IrqLine {
    const index = (device & 31) * 4 + ((pin - 1) & 3);
    return {
      set: (level) => {
        if (this.#levels[index] === Number(level)) return;
        this.#levels[index] = Number(level);
        this.#route();
      },
    };
  }

  override save(): Saved {
    return { config: this.config.slice(), levels: this.#levels.slice() };
  }

  override restore(state: Saved): void {
    const levels = new SavedRecord(this.id, state).bytes("levels", 128);
    super.restore(state);
    this.#levels.set(levels);
    this.#route();
  }

  protected override configChanged(offset: number, size: number): void {
    if (offset < pirqRoute + 4 && offset + size > pirqRoute) this.#route();
  }

  #route(): void {
    let active = 0;
    for (let index = 0; index < this.#levels.length; index++) {
      if (!this.#levels[index]) continue;
      const route = this.config[pirqRoute + (((index >> 2) - 1 + (index & 3)) & 3)] ?? 0x80;
      if (!(route & 0x80)) active |= 1 << (route & 15);
    }
    active &= routable;
    for (let irq = 0; irq < 16; irq++) this.#isaIrq[irq]?.set(((active >> irq) & 1) !== 0);
  }
}
