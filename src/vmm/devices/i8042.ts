import type { IrqLine, PortDevice, Saved } from "../../base/index.ts";
import { SavedRecord } from "../../base/index.ts";
import { type Device, restoreFields, saveFields } from "./device.ts";
import { Keyboard, Mouse } from "./ps2.ts";
import { scanCodeSet2, toSet1 } from "./scancodes.ts";

/*
 * 8042 keyboard controller: data port 60h, command and status port 64h.
 *   status  0 output full, 1 input full, 2 system flag, 3 last write was a command, 4 not locked, 5 data from mouse
 *   mode    0 IRQ1, 1 IRQ12, 2 system flag, 4 keyboard off, 5 mouse off, 6 translate to set 1
 */
const Status = { outputFull: 1, system: 4, command: 8, unlocked: 16, fromMouse: 32 } as const;
const Mode = {
  keyboardIrq: 1,
  mouseIrq: 2,
  system: 4,
  keyboardOff: 16,
  mouseOff: 32,
  translate: 64,
} as const;

type ControllerFields = {
  mode: number;
  outputPort: number;
  /** The command waiting for its data byte, or 0. */
  command: number;
  lastWasCommand: boolean;
  full: boolean;
  fromMouse: boolean;
  output: number;
  /** The keyboard sent F0h: its next code is a release. */
  releasing: boolean;
};

function powerOn(): ControllerFields {
  return {
    mode: Mode.keyboardIrq | Mode.mouseIrq,
    outputPort: 3,
    command: 0,
    lastWasCommand: false,
    full: false,
    fromMouse: false,
    output: 0,
    releasing: false,
  };
}

export interface I8042Options {
  keyboardIrq: IrqLine;
  mouseIrq: IrqLine;
  requestReset: () => void;
}

/** The controller with its keyboard and mouse. */
export class I8042 implements PortDevice, Device {
  readonly id = "i8042";
  readonly version = 1;
  readonly keyboard = new Keyboard(() => this.#pump());
  readonly mouse = new Mouse(() => this.#pump());
  readonly #options: I8042Options;
  #r = powerOn();

  constructor(options: I8042Options) {
    this.#options = options;
  }

  /** A key by its KeyboardEvent.code; unknown keys are ignored and reported as false. */
  key(code: string, down: boolean): boolean {
    const scanCode = Object.hasOwn(scanCodeSet2, code) ? scanCodeSet2[code] : undefined;
    if (scanCode === undefined) return false;
    this.keyboard.key(scanCode, down);
    return true;
  }

  portRead(port: number): number {
    return port & 4 ? this.#status() : this.#readData();
  }

  portWrite(port: number, _size: number, value: number): void {
    if (port & 4) this.#writeCommand(value);
    else this.#writeData(value);
    this.#pump();
  }

  reset(): void {
    this.#r = powerOn();
    this.keyboard.reset();
    this.mouse.reset();
    this.#update();
  }

  save(): Saved {
    return { controller: saveFields(this.#r), keyboard: this.keyboard.save(), mouse: this.mouse.save() };
  }

  restore(state: Saved): void {
    const record = new SavedRecord(this.id, state);
    const r = restoreFields(this.id, powerOn(), record.value("controller"));
    this.keyboard.restore(record.value("keyboard"));
    this.mouse.restore(record.value("mouse"));
    this.#r = r;
    this.#update();
  }

  #status(): number {
    const r = this.#r;
    return (
      Status.unlocked |
      (r.mode & Mode.system ? Status.system : 0) |
      (r.lastWasCommand ? Status.command : 0) |
      (r.full ? Status.outputFull | (r.fromMouse ? Status.fromMouse : 0) : 0)
    );
  }

  #readData(): number {
    const r = this.#r;
    const value = r.output;
    r.full = false;
    // The wire drops between two bytes, so that each gives an edge.
    this.#update();
    this.#pump();
    return value;
  }

  #writeCommand(value: number): void {
    const r = this.#r;
    r.lastWasCommand = true;
    r.command = 0;
    switch (value) {
      case 0x20:
        this.#put(r.mode, false);
        break;
      case 0xa7:
        r.mode |= Mode.mouseOff;
        break;
      case 0xa8:
        r.mode &= ~Mode.mouseOff;
        break;
      case 0xa9:
        this.#put(0, false);
        break;
      case 0xaa:
        r.mode |= Mode.system;
        this.#put(0x55, false);
        break;
      case 0xab:
        this.#put(0, false);
        break;
      case 0xad:
        r.mode |= Mode.keyboardOff;
        break;
      case 0xae:
        r.mode &= ~Mode.keyboardOff;
        break;
      case 0xc0:
        this.#put(0x80, false);
        break;
      case 0xd0:
        this.#put(r.outputPort, false);
        break;
      case 0x60:
      case 0xd1:
      case 0xd2:
      case 0xd3:
      case 0xd4:
        r.command = value;
        break;
      default:
        if (value >= 0xf0 && !(value & 1)) this.#options.requestReset();
    }
  }

  #writeData(value: number): void {
    const r = this.#r;
    const command = r.command;
    r.command = 0;
    r.lastWasCommand = false;
    switch (command) {
      case 0x60:
        r.mode = value;
        this.#update();
        break;
      case 0xd1:
        r.outputPort = value;
        if (!(value & 1)) this.#options.requestReset();
        break;
      case 0xd2:
        this.#put(value, false);
        break;
      case 0xd3:
        this.#put(value, true);
        break;
      case 0xd4:
        r.mode &= ~Mode.mouseOff;
        this.mouse.command(value);
        break;
      default:
        r.mode &= ~Mode.keyboardOff;
        this.keyboard.command(value);
    }
  }

  #put(value: number, fromMouse: boolean): void {
    const r = this.#r;
    [r.full, r.fromMouse, r.output] = [true, fromMouse, value];
    this.#update();
  }

  /** Moves the next byte of a device into the output buffer when that is free. */
  #pump(): void {
    const r = this.#r;
    while (!r.full && !(r.mode & Mode.keyboardOff) && this.keyboard.pending) {
      const byte = this.keyboard.take();
      if (!(r.mode & Mode.translate)) this.#put(byte, false);
      else if (byte === 0xf0) r.releasing = true;
      else {
        this.#put(toSet1(byte) | (r.releasing && byte !== 0xe0 ? 0x80 : 0), false);
        if (byte !== 0xe0) r.releasing = false;
      }
    }
    if (!r.full && !(r.mode & Mode.mouseOff) && this.mouse.pending) this.#put(this.mouse.take(), true);
  }

  #update(): void {
    const { full, fromMouse, mode } = this.#r;
    this.#options.keyboardIrq.set(full && !fromMouse && (mode & Mode.keyboardIrq) !== 0);
    this.#options.mouseIrq.set(full && fromMouse && (mode & Mode.mouseIrq) !== 0);
  }
}
