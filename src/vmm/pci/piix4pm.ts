import type { Alarm, Clock, IrqLine, PortSize, Saved } from "../../base/index.ts";
import { SavedRecord } from "../../base/index.ts";
import { ticksAt, timeOf } from "../../chips/index.ts";
import type { MachineBus, Mapping } from "../bus.ts";
import { restoreFields, saveFields } from "../devices/device.ts";
import { PciFunction } from "./function.ts";

/*
 * 82371AB PIIX4, power management function 00:01.3.
 *   configuration: 40h PMBASE, 5Bh bit 1 APMC enable, 80h bit 0 I/O enable
 *   PMBASE +0 PM1_STS  TMR 0, GBL 5, PWRBTN 8, RTC 10, WAK 15 (write 1 clears)
 *          +2 PM1_EN   the same bits
 *          +4 PM1_CNT  SCI_EN 0, SLP_TYP 10-12, SLP_EN 13
 *          +8 PM_TMR   24 bits at 3.579545 MHz
 *   AFE0h general purpose event block: status word, enable word
 *   B2h APM control (the SMI command of the FADT), B3h APM status
 */
const pmbase = 0x40;
const deviceActivityB = 0x5b;
const pmregmisc = 0x80;
export const gpe0Base = 0xafe0;
export const apmControlPort = 0xb2;
/** What the FADT names: written to B2h they hand the power registers to the system, or take them back. */
export const acpiEnable = 0xf1;
export const acpiDisable = 0xf0;

const Pm1 = { timer: 1, global: 0x20, powerButton: 0x100, rtc: 0x400, wake: 0x8000 } as const;
const Pm1Control = { sciEnable: 1, sleepEnable: 0x2000 } as const;
const enableBits = Pm1.timer | Pm1.global | Pm1.powerButton | Pm1.rtc;
/** SLP_TYP of \_S5 in our DSDT. */
export const softOff = 0;

const frequency = 3579545;
/** TMR_STS comes whenever bit 23 changes. */
const halfTurn = 0x800000;

type PmFields = {
  status: number;
  enable: number;
  control: number;
  gpeStatus: number;
  gpeEnable: number;
  apmControl: number;
  apmStatus: number;
  /** The tick at which TMR_STS comes next. */
  overflowAt: number;
};

function powerOn(): PmFields {
  return {
    status: 0,
    enable: 0,
    control: 0,
    gpeStatus: 0,
    gpeEnable: 0,
    apmControl: 0,
    apmStatus: 0,
    overflowAt: halfTurn,
  };
}

const limits = {
  status: 0xffff,
  enable: 0xffff,
  control: 0xffff,
  gpeStatus: 0xffff,
  gpeEnable: 0xffff,
  overflowAt: Number.MAX_SAFE_INTEGER,
};

export interface Piix4PmOptions {
  clock: Clock;
  sci: IrqLine;
  /** The guest asked for \_S5. */
  powerOff: () => void;
}

export class Piix4Pm extends PciFunction {
  readonly id = "piix4-pm";
  readonly #ports: MachineBus["ports"];
  readonly #options: Piix4PmOptions;
  readonly #alarm: Alarm;
  #block: Mapping | undefined;
  #r = powerOn();

  constructor(bus: MachineBus, options: Piix4PmOptions) {
    super(bus, { vendor: 0x8086, device: 0x7113, revision: 3, classCode: 0x068000, interruptPin: 1 });
    this.#ports = bus.ports;
    this.#options = options;
    this.#alarm = options.clock.alarm(() => this.#update());
    this.define(0x07, 0x02, 0x00);
    this.define(pmbase, 0x01, 0xc0);
    this.define(pmbase + 2, 0, 0);
    this.define(pmbase + 3, 0, 0);
    // There is no SMM; with this bit set from the start firmware leaves it alone.
    this.define(deviceActivityB, 0x02, 0xfd);
    this.define(pmregmisc, 0x00, 0x01);
    this.#ports.map(gpe0Base, 4, {
      portRead: (port) => this.#readGpe(port - gpe0Base),
      portWrite: (port, _size, v) => this.#writeGpe(port - gpe0Base, v),
    });
    this.#ports.map(apmControlPort, 2, {
      portRead: (port) => (port === apmControlPort ? this.#r.apmControl : this.#r.apmStatus),
      portWrite: (port, _size, v) => this.#writeApm(port, v),
    });
  }

  /** Presses the power button: an event the guest's ACPI driver sees. */
  pressPowerButton(): void {
    this.#r.status |= Pm1.powerButton;
    this.#update();
  }

  override reset(): void {
    this.#r = { ...powerOn(), overflowAt: this.#nextOverflow() };
    super.reset();
    this.#update();
  }

  override save(): Saved {
    // What has come due without anyone looking belongs to the state.
    this.#latchTimer();
    return { config: this.config.slice(), registers: saveFields(this.#r) };
  }

  override restore(state: Saved): void {
    const record = new SavedRecord(this.id, state);
    const r = restoreFields(this.id, powerOn(), record.value("registers"), limits);
    super.restore(state);
    this.#r = r;
    this.#update();
  }

  protected override configChanged(): void {
    if (this.#block) this.#ports.unmap(this.#block);
    this.#block = undefined;
    const base = this.configRead(pmbase, 2) & 0xffc0;
    if (!(this.configRead(pmregmisc, 1) & 1) || base === 0) return;
    this.#block = this.#ports.map(
      base,
      64,
      {
        portRead: (port, size) => this.#readBlock(port - base, size),
        portWrite: (port, size, v) => this.#writeBlock(port - base, size, v),
      },
      { width: 4 },
    );
  }

  #ticks(): number {
    return ticksAt(this.#options.clock.now(), frequency);
  }

  #nextOverflow(): number {
    const ticks = this.#ticks();
    return ticks - (ticks % halfTurn) + halfTurn;
  }

  #readBlock(offset: number, size: PortSize): number {
    this.#latchTimer();
    // What an ACPI clock source reads all the time.
    if (offset === 8 && size === 4) return this.#ticks() % 0x1000000;
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this.#byte(offset + i);
    return value;
  }
  #byte(offset: number): number {
    const { status, enable, control } = this.#r,
      register = offset >> 2;
    if (register === 2) return ((this.#ticks() % 0x1000000) >> (8 * (offset & 3))) & 0xff;
    if (register > 1) return 0;
    const low = register === 0 ? status : control,
      high = register === 0 ? enable : 0;
    return ((offset & 2 ? high : low) >> (8 * (offset & 1))) & 0xff;
  }

  #writeBlock(offset: number, size: PortSize, value: number): void {
    const r = this.#r;
    this.#latchTimer();
    for (let i = 0; i < size; i++) {
      const byte = (value >>> (8 * i)) & 0xff;
      const at = offset + i;
      const shift = 8 * (at & 1);
      const keep = ~(0xff << shift);
      if (at < 2) this.#clearStatus(byte << shift);
      else if (at < 4) r.enable = ((r.enable & keep) | (byte << shift)) & enableBits;
      else if (at < 6) r.control = (r.control & keep) | (byte << shift);
    }
    if (offset < 6 && offset + size > 4 && r.control & Pm1Control.sleepEnable) this.#sleep();
    this.#update();
  }

  #clearStatus(bits: number): void {
    const r = this.#r;
    if (bits & r.status & Pm1.timer) r.overflowAt = this.#nextOverflow();
    r.status &= ~bits;
  }

  /** SLP_EN reads as zero. Sleeping states other than \_S5 are not offered, so nothing else happens. */
  #sleep(): void {
    const r = this.#r;
    r.control &= ~Pm1Control.sleepEnable;
    if (((r.control >> 10) & 7) === softOff) this.#options.powerOff();
  }

  #readGpe(offset: number): number {
    const r = this.#r;
    return ((offset < 2 ? r.gpeStatus : r.gpeEnable) >> (8 * (offset & 1))) & 0xff;
  }

  #writeGpe(offset: number, byte: number): void {
    const r = this.#r;
    const shift = 8 * (offset & 1);
    if (offset < 2) r.gpeStatus &= ~(byte << shift);
    else r.gpeEnable = (r.gpeEnable & ~(0xff << shift)) | (byte << shift);
    this.#update();
  }

  #writeApm(port: number, value: number): void {
    const r = this.#r;
    if (port !== apmControlPort) {
      r.apmStatus = value;
      return;
    }
    r.apmControl = value;
    if (value === acpiEnable) r.control |= Pm1Control.sciEnable;
    if (value === acpiDisable) r.control &= ~Pm1Control.sciEnable;
    this.#update();
  }

  #latchTimer(): void {
    if (this.#ticks() >= this.#r.overflowAt) this.#r.status |= Pm1.timer;
  }

  #update(): void {
    const r = this.#r;
    this.#latchTimer();
    const event = (r.status & r.enable & enableBits) | (r.gpeStatus & r.gpeEnable);
    this.#options.sci.set(event !== 0 && (r.control & Pm1Control.sciEnable) !== 0);
    if (r.enable & Pm1.timer && !(r.status & Pm1.timer)) {
      this.#alarm.set(timeOf(r.overflowAt, frequency));
    } else {
      this.#alarm.clear();
    }
  }
}
