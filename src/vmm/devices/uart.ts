import type { IrqLine, PortDevice, Saved } from "../../base/index.ts";
import { type Device, maxQueue, restoreFields, saveFields } from "./device.ts";

/*
 * 16550A UART (PC16550D data sheet, "Registers"). Offsets from the base, DLAB = LCR bit 7:
 *   0 RBR (read), THR (write), DLL (DLAB)     4 MCR  DTR RTS OUT1 OUT2 LOOP
 *   1 IER, DLM (DLAB)                         5 LSR  DR OE PE FE BI THRE TEMT ERR
 *   2 IIR (read), FCR (write)                 6 MSR  dCTS dDSR TERI dDCD CTS DSR RI DCD
 *   3 LCR                                     7 SCR
 */
const Ier = { received: 1, transmitEmpty: 2, lineStatus: 4, modemStatus: 8 } as const;
const Iir = { none: 1, modem: 0, transmitEmpty: 2, received: 4, line: 6, timeout: 12, fifo: 0xc0 } as const;
const Fcr = { enable: 1, clearReceive: 2, clearTransmit: 4 } as const;
const Mcr = { out2: 8, loop: 16 } as const;
const Lsr = { dataReady: 1, overrun: 2, transmitEmpty: 0x60 } as const;
const Msr = { clearToSend: 0x10, dataSetReady: 0x20, carrierDetect: 0x80 } as const;
const divisorLatch = 0x80;
const triggers = [1, 4, 8, 14] as const;
const fifoDepth = 16;
/** A terminal that is always there and ready. */
const connected = Msr.clearToSend | Msr.dataSetReady | Msr.carrierDetect;

type UartFields = {
  ier: number;
  fcr: number;
  lcr: number;
  mcr: number;
  msr: number;
  scr: number;
  dll: number;
  dlm: number;
  overrun: boolean;
  /** THRE interrupt raised and not yet read from IIR. */
  emptyPending: boolean;
  fifo: number[];
  /** Typed ahead: what the wire still holds back because the FIFO is full. */
  waiting: number[];
};

function powerOn(): UartFields {
  return {
    ier: 0,
    fcr: 0,
    lcr: 0,
    mcr: 0,
    msr: connected,
    scr: 0,
    dll: 12,
    dlm: 0,
    overrun: false,
    emptyPending: false,
    fifo: [],
    waiting: [],
  };
}

export interface UartOptions {
  irq: IrqLine;
  output: (byte: number) => void;
  /** COM1 by default. */
  id?: string;
}

/** A UART that transmits at once and receives as fast as the guest reads. */
export class Uart implements PortDevice, Device {
  readonly id: string;
  readonly version = 1;
  readonly #irq: IrqLine;
  readonly #output: (byte: number) => void;
  #r = powerOn();

  constructor(options: UartOptions) {
    this.id = options.id ?? "uart0";
    this.#irq = options.irq;
    this.#output = options.output;
  }

  /** Bytes arriving on the line. Returns how many were taken; the caller keeps the rest and tries again. */
  receive(bytes: Uint8Array): number {
    const taken = Math.min(bytes.length, maxQueue - this.#r.waiting.length);
    for (const byte of bytes.subarray(0, taken)) this.#r.waiting.push(byte);
    this.#fill();
    return taken;
  }

  /** How many more bytes receive() would take now. */
  get room(): number {
    return maxQueue - this.#r.waiting.length;
  }

  portRead(port: number): number {
    const r = this.#r;
    switch (port & 7) {
      case 0:
        return r.lcr & divisorLatch ? r.dll : this.#readData();
      case 1:
        return r.lcr & divisorLatch ? r.dlm : r.ier;
      case 2:
        return this.#readInterruptIdentification();
      case 3:
        return r.lcr;
      case 4:
        return r.mcr;
      case 5:
        return this.#readLineStatus();
      case 6:
        return this.#readModemStatus();
      default:
        return r.scr;
    }
  }

  portWrite(port: number, _size: number, value: number): void {
    const r = this.#r;
    switch (port & 7) {
      case 0:
        if (r.lcr & divisorLatch) r.dll = value;
        else this.#transmit(value);
        break;
      case 1:
        if (r.lcr & divisorLatch) r.dlm = value;
        else this.#writeInterruptEnable(value);
        break;
      case 2:
        this.#writeFifoControl(value);
        break;
      case 3:
        r.lcr = value;
        break;
      case 4:
        this.#writeModemControl(value);
        break;
      case 7:
        r.scr = value;
        break;
      default:
        break;
    }
    this.#update();
  }

  reset(): void {
    const { waiting } = this.#r;
    this.#r = { ...powerOn(), waiting };
    this.#update();
  }

  save(): Saved {
    return saveFields(this.#r);
  }

  restore(state: Saved): void {
    this.#r = restoreFields(this.id, powerOn(), state);
    this.#update();
  }

  #transmit(byte: number): void {
    const r = this.#r;
    if (r.mcr & Mcr.loop) this.#arrive(byte);
    else this.#output(byte);
    r.emptyPending = true;
  }

  #readData(): number {
    const byte = this.#r.fifo.shift() ?? 0;
    this.#fill();
    return byte;
  }

  #readLineStatus(): number {
    const r = this.#r;
    const lsr = Lsr.transmitEmpty | (r.fifo.length > 0 ? Lsr.dataReady : 0) | (r.overrun ? Lsr.overrun : 0);
    r.overrun = false;
    this.#update();
    return lsr;
  }

  #readModemStatus(): number {
    const r = this.#r;
    const msr = r.msr;
    r.msr &= 0xf0;
    this.#update();
    return msr;
  }

  #readInterruptIdentification(): number {
    const cause = this.#cause();
    if (cause === Iir.transmitEmpty) {
      this.#r.emptyPending = false;
      this.#update();
    }
    return cause | (this.#r.fcr & Fcr.enable ? Iir.fifo : 0);
  }

  #writeInterruptEnable(value: number): void {
    const r = this.#r;
    // Enabling the interrupt while the register is empty raises it: drivers probe for that.
    if (value & ~r.ier & Ier.transmitEmpty) r.emptyPending = true;
    if (!(value & Ier.transmitEmpty)) r.emptyPending = false;
    r.ier = value & 0x0f;
  }

  #writeFifoControl(value: number): void {
    const r = this.#r;
    const toggled = (value ^ r.fcr) & Fcr.enable;
    if (toggled || value & Fcr.clearReceive) r.fifo = [];
    if (toggled || value & Fcr.clearTransmit) r.emptyPending = (r.ier & Ier.transmitEmpty) !== 0;
    r.fcr = value & Fcr.enable ? value & 0xc9 : 0;
    this.#fill();
  }

  #writeModemControl(value: number): void {
    const r = this.#r;
    r.mcr = value & 0x1f;
    const rts = value & 2 ? 0x10 : 0;
    const dtr = value & 1 ? 0x20 : 0;
    const lines = value & Mcr.loop ? rts | dtr | ((value & 4) << 4) | ((value & 8) << 4) : connected;
    const changed = (lines ^ r.msr) & 0xf0;
    // RI reports only its trailing edge.
    const deltas = (changed >> 4) & ~(lines & 0x40 ? 4 : 0);
    r.msr = lines | (r.msr & 0x0f) | deltas;
    this.#fill();
  }

  #arrive(byte: number): void {
    const r = this.#r;
    if (r.fifo.length < this.#depth()) r.fifo.push(byte);
    else r.overrun = true;
  }

  #fill(): void {
    const r = this.#r;
    if (!(r.mcr & Mcr.loop)) {
      while (r.waiting.length > 0 && r.fifo.length < this.#depth()) r.fifo.push(r.waiting.shift() as number);
    }
    this.#update();
  }

  #depth(): number {
    return this.#r.fcr & Fcr.enable ? fifoDepth : 1;
  }

  /** The highest-priority pending cause as IIR shows it. */
  #cause(): number {
    const r = this.#r;
    if (r.ier & Ier.lineStatus && r.overrun) return Iir.line;
    if (r.ier & Ier.received && r.fifo.length > 0) {
      if (!(r.fcr & Fcr.enable)) return Iir.received;
      // Below the trigger the line falls silent at once, so the character timeout is already due.
      return r.fifo.length >= (triggers[r.fcr >> 6] ?? 1) ? Iir.received : Iir.timeout;
    }
    if (r.ier & Ier.transmitEmpty && r.emptyPending) return Iir.transmitEmpty;
    if (r.ier & Ier.modemStatus && r.msr & 0x0f) return Iir.modem;
    return Iir.none;
  }

  #update(): void {
    const r = this.#r;
    this.#irq.set(this.#cause() !== Iir.none && (r.mcr & Mcr.out2) !== 0 && (r.mcr & Mcr.loop) === 0);
  }
}
