import { StateError } from "../base/errors.ts";
import type { IrqLine, PortDevice, PortSize } from "../base/bus.ts";
import type { Persist, Saved } from "../base/persist.ts";
import { SavedRecord } from "../base/saved.ts";
import type { LineWatch } from "./ioapic.ts";
import { readBytePorts, writeBytePorts } from "./byte-ports.ts";

/*
 * 8259A Programmable Interrupt Controller pair as wired in a PC (Intel 8259A data sheet; ELCR from the
 * 82371 data sheet, "Edge/Level Control Registers"). Ports 20h-21h master, A0h-A1h slave, 4D0h-4D1h ELCR.
 * The slave's INT drives the master's IR2.
 *
 *   even port, write: D4=1 ICW1   D4=0 D3=0 OCW2 (EOI, rotate)   D4=0 D3=1 OCW3 (read select, poll, special mask)
 *   odd port, write:  ICW2, ICW3, ICW4 in sequence after ICW1, otherwise OCW1 = IMR
 */
const Icw1 = { ic4: 0x01, single: 0x02, init: 0x10 } as const;
const Icw4 = { autoEoi: 0x02, specialFullyNested: 0x10 } as const;
const Ocw3 = { select: 0x08, poll: 0x04, readRegister: 0x02, isr: 0x01, setMask: 0x40, mask: 0x20 } as const;
/** OCW2 commands, bits 7:5. */
const Ocw2 = {
  rotateAutoClear: 0,
  eoi: 1,
  specificEoi: 3,
  rotateAutoSet: 4,
  rotateEoi: 5,
  setPriority: 6,
  rotateSpecific: 7,
} as const;
const cascadeInput = 2;

/** One 8259A. Levels come in by setIrq; `changed` is called whenever its INT output may have changed. */
class I8259Chip {
  irr = 0;
  imr = 0;
  isr = 0;
  /** Input levels as last seen, for edge detection. */
  lines = 0;
  elcr = 0;
  base = 0;
  /** The input of lowest priority is lowest; (lowest + 1) & 7 is served first. */
  lowest = 7;
  icwStep = 0;
  readIsr = false;
  poll = false;
  specialMask = false;
  autoEoi = false;
  rotateAuto = false;
  fullyNested = false;
  expectIcw4 = false;
  single = false;
  /** Inputs that follow their line whatever the ELCR says: the cascade on the master. */
  readonly followLevel: number;
  /** Inputs the chipset lets ELCR make level triggered. */
  readonly elcrMask: number;

  constructor(followLevel: number, elcrMask: number) {
    this.followLevel = followLevel;
    this.elcrMask = elcrMask;
  }

  reset(): void {
    this.elcr = 0;
    this.base = 0;
    this.#initialize();
    this.icwStep = 0;
    this.fullyNested = this.autoEoi = this.expectIcw4 = this.single = false;
  }

  /** Inputs whose request goes away with the line. */
  get #levelInputs(): number {
    return this.elcr | this.followLevel;
  }

  setIrq(input: number, level: boolean): void {
    const mask = 1 << input;
    if ((this.#levelInputs & mask) !== 0) {
      this.irr = level ? this.irr | mask : this.irr & ~mask;
    } else if (level && (this.lines & mask) === 0) {
      // An edge stays latched until acknowledged even when the line drops, so a short pulse is not lost.
      this.irr |= mask;
    }
    this.lines = level ? this.lines | mask : this.lines & ~mask;
  }

  /** The input the chip would have served now, or -1: what INT shows. */
  highest(): number {
    const requests = this.irr & ~this.imr;
    if (requests === 0) return -1;
    const request = this.#order(requests);
    let inService = this.isr;
    if (this.specialMask) inService &= ~this.imr;
    if (this.fullyNested) inService &= ~(1 << cascadeInput);
    return request < this.#order(inService) ? this.#input(request) : -1;
  }

  acknowledge(input: number): void {
    const mask = 1 << input;
    if (this.autoEoi) {
      if (this.rotateAuto) this.lowest = input;
    } else {
      this.isr |= mask;
    }
    if ((this.#levelInputs & mask) === 0) this.irr &= ~mask;
  }

  read(odd: boolean): number {
    if (this.poll) {
      this.poll = false;
      const input = this.highest();
      if (input < 0) return 0;
      this.acknowledge(input);
      return 0x80 | input;
    }
    if (odd) return this.imr;
    return this.readIsr ? this.isr : this.irr;
  }

  write(odd: boolean, value: number): void {
    if (!odd) this.#writeCommand(value);
    else if (this.icwStep === 0) this.imr = value;
    else this.#writeIcw(value);
  }

  #writeCommand(value: number): void {
    if ((value & Icw1.init) !== 0) {
      this.#initialize();
      this.expectIcw4 = (value & Icw1.ic4) !== 0;
      this.single = (value & Icw1.single) !== 0;
      if (!this.expectIcw4) this.fullyNested = this.autoEoi = false;
    } else if ((value & Ocw3.select) !== 0) {
      if ((value & Ocw3.poll) !== 0) this.poll = true;
      if ((value & Ocw3.readRegister) !== 0) this.readIsr = (value & Ocw3.isr) !== 0;
      if ((value & Ocw3.setMask) !== 0) this.specialMask = (value & Ocw3.mask) !== 0;
    } else {
      this.#writeOcw2(value >> 5, value & 7);
    }
  }

  #writeOcw2(command: number, input: number): void {
    switch (command) {
      case Ocw2.rotateAutoClear:
      case Ocw2.rotateAutoSet:
        this.rotateAuto = command === Ocw2.rotateAutoSet;
        break;
      case Ocw2.eoi:
      case Ocw2.rotateEoi: {
        const served = this.#order(this.specialMask ? this.isr & ~this.imr : this.isr);
        if (served === 8) break;
        const ended = this.#input(served);
        this.isr &= ~(1 << ended);
        if (command === Ocw2.rotateEoi) this.lowest = ended;
        break;
      }
      case Ocw2.specificEoi:
      case Ocw2.rotateSpecific:
        this.isr &= ~(1 << input);
        if (command === Ocw2.rotateSpecific) this.lowest = input;
        break;
      case Ocw2.setPriority:
        this.lowest = input;
        break;
    }
  }

  #writeIcw(value: number): void {
    if (this.icwStep === 1) {
      this.base = value & 0xf8;
      this.icwStep = this.single ? (this.expectIcw4 ? 3 : 0) : 2;
    } else if (this.icwStep === 2) {
      this.icwStep = this.expectIcw4 ? 3 : 0;
    } else {
      this.fullyNested = (value & Icw4.specialFullyNested) !== 0;
      this.autoEoi = (value & Icw4.autoEoi) !== 0;
      this.icwStep = 0;
    }
  }

  #initialize(): void {
    this.irr = this.lines & this.#levelInputs;
    this.imr = this.isr = 0;
    this.lowest = 7;
    this.icwStep = 1;
    this.readIsr = this.poll = this.specialMask = this.rotateAuto = false;
  }

  /** Place in the priority order of the first input set, 0 first; 8 for none. */
  #order(inputs: number): number {
    const doubled = (inputs | (inputs << 8)) >>> ((this.lowest + 1) & 7);
    const first = doubled & -doubled & 0xff;
    return first === 0 ? 8 : 31 - Math.clz32(first);
  }

  #input(order: number): number {
    return (order + this.lowest + 1) & 7;
  }

  save(): Saved {
    return {
      irr: this.irr,
      imr: this.imr,
      isr: this.isr,
      lines: this.lines,
      elcr: this.elcr,
      base: this.base,
      lowest: this.lowest,
      icwStep: this.icwStep,
      readIsr: this.readIsr,
      poll: this.poll,
      specialMask: this.specialMask,
      autoEoi: this.autoEoi,
      rotateAuto: this.rotateAuto,
      fullyNested: this.fullyNested,
      expectIcw4: this.expectIcw4,
      single: this.single,
    };
  }

  restore(r: SavedRecord): void {
    this.irr = r.int("irr", 0xff);
    this.imr = r.int("imr", 0xff);
    this.isr = r.int("isr", 0xff);
    this.lines = r.int("lines", 0xff);
    this.elcr = r.int("elcr", 0xff) & this.elcrMask;
    this.base = r.int("base", 0xff) & 0xf8;
    this.lowest = r.int("lowest", 7);
    this.icwStep = r.int("icwStep", 3);
    this.readIsr = r.bool("readIsr");
    this.poll = r.bool("poll");
    this.specialMask = r.bool("specialMask");
    this.autoEoi = r.bool("autoEoi");
    this.rotateAuto = r.bool("rotateAuto");
    this.fullyNested = r.bool("fullyNested");
    this.expectIcw4 = r.bool("expectIcw4");
    this.single = r.bool("single");
  }
}

/** The PC's two cascaded 8259As; `output` is the INTR wire. Claims ports 20, 21, A0, A1, 4D0 and 4D1h. */
export class I8259 implements PortDevice, Persist {
  static readonly ports: readonly number[] = [0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1];
  readonly id = "i8259";
  readonly version = 1;
  readonly #master = new I8259Chip(1 << cascadeInput, 0xf8);
  readonly #slave = new I8259Chip(0, 0xde);
  readonly #output: IrqLine;
  readonly #watch: LineWatch | undefined;
  #intr = false;

  constructor({ output, watch }: { output: IrqLine; watch?: LineWatch }) {
    this.#output = output;
    this.#watch = watch;
  }

  reset(): void {
    this.#master.reset();
    this.#slave.reset();
    this.#update();
  }

  /** Level of INTR. */
  get intr(): boolean {
    return this.#intr;
  }

  /** Sets input 0-15; input 2 is the cascade and does nothing. */
  setIrq(irq: number, level: boolean): void {
    if (irq === cascadeInput || irq < 0 || irq > 15) return;
    if (irq < 8) this.#master.setIrq(irq, level);
    else this.#slave.setIrq(irq - 8, level);
    this.#update();
  }

  /**
   * The INTA cycle: the vector of the request served. With nothing left to serve, the spurious IR7 of the
   * chip asked.
   */
  acknowledge(): number {
    const master = this.#master.highest();
    if (master < 0) return this.#master.base + 7;
    this.#master.acknowledge(master);
    let vector = this.#master.base + master;
    if (master === cascadeInput) {
      const slave = this.#slave.highest();
      if (slave >= 0) this.#slave.acknowledge(slave);
      vector = this.#slave.base + (slave >= 0 ? slave : 7);
    }
    this.#update();
    if (master === this.#watch?.picInput && this.#master.autoEoi) this.#watch.ended();
    return vector;
  }

  portRead(port: number, size: PortSize): number {
    return readBytePorts(port, size, (p) => {
      const chip = this.#chip(p);
      if (chip === null) return 0xff;
      if (p >= 0x4d0) return chip.elcr;
      const polling = chip.poll;
      const value = chip.read((p & 1) === 1);
      if (polling) this.#update();
      return value;
    });
  }

  portWrite(port: number, size: PortSize, value: number): void {
    const { isr, imr } = this.#master;
    writeBytePorts(port, size, value, (p, byte) => {
      const chip = this.#chip(p);
      if (chip === null) return;
      if (p >= 0x4d0) chip.elcr = byte & chip.elcrMask;
      else chip.write((p & 1) === 1, byte);
    });
    this.#update();
    const watch = this.#watch,
      bit = 1 << (watch?.picInput ?? 8);
    if ((imr & ~this.#master.imr & bit) !== 0) watch?.opened();
    if ((isr & ~this.#master.isr & bit) !== 0) watch?.ended();
  }

  #chip(port: number): I8259Chip | null {
    switch (port) {
      case 0x20:
      case 0x21:
      case 0x4d0:
        return this.#master;
      case 0xa0:
      case 0xa1:
      case 0x4d1:
        return this.#slave;
      default:
        return null;
    }
  }

  #update(): void {
    this.#master.setIrq(cascadeInput, this.#slave.highest() >= 0);
    const intr = this.#master.highest() >= 0;
    if (intr === this.#intr) return;
    this.#intr = intr;
    this.#output.set(intr);
  }

  save(): Saved {
    return { version: this.version, master: this.#master.save(), slave: this.#slave.save() };
  }

  restore(state: Saved): void {
    const r = new SavedRecord(this.id, state);
    if (r.int("version") !== this.version) throw new StateError(this.id, `version ${r.int("version")}`);
    this.#master.restore(r.record("master"));
    this.#slave.restore(r.record("slave"));
    this.#update();
  }
}
