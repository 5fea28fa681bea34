import type { Saved } from "../../base/index.ts";
import { restoreFields, saveFields } from "./device.ts";

/*
 * The two devices on the PS/2 wires: each takes command bytes and queues answers and reports.
 * (IBM PS/2 Hardware Interface Technical Reference, "Keyboard" and "Mouse" commands.)
 */
const acknowledge = 0xfa;
const resend = 0xfe;
const selfTestPassed = 0xaa;
/** A real keyboard buffers 16 bytes of key codes and then an overrun; answers always fit. */
const queueLimit = 64;

type Ps2Fields = {
  queue: number[];
  scanning: boolean;
  expecting: number;
  leds: number;
  set: number;
  rate: number;
  resolution: number;
  buttons: number;
  wrap: boolean;
  remote: boolean;
  scaling: boolean;
};

function powerOn(scanning: boolean): Ps2Fields {
  return {
    queue: [],
    scanning,
    expecting: 0,
    leds: 0,
    set: 2,
    rate: 100,
    resolution: 2,
    buttons: 0,
    wrap: false,
    remote: false,
    scaling: false,
  };
}

/** What keyboard and mouse share: the queue towards the 8042 and persist. */
export abstract class Ps2Device {
  abstract readonly id: string;
  protected r: Ps2Fields;
  readonly #changed: () => void;
  readonly #scansAtStart: boolean;

  constructor(changed: () => void, scansAtStart: boolean) {
    this.#changed = changed;
    this.#scansAtStart = scansAtStart;
    this.r = powerOn(scansAtStart);
  }

  abstract command(byte: number): void;

  get pending(): boolean {
    return this.r.queue.length > 0;
  }

  take(): number {
    return this.r.queue.shift() ?? 0;
  }

  reset(): void {
    this.r = powerOn(this.#scansAtStart);
  }

  save(): Saved {
    return saveFields(this.r);
  }

  restore(state: Saved): void {
    this.r = restoreFields(this.id, powerOn(false), state, { set: 3, resolution: 3, buttons: 7 });
  }

  /** Queues bytes as a whole or not at all. */
  protected send(...bytes: number[]): void {
    if (this.r.queue.length + bytes.length > queueLimit) return;
    this.r.queue.push(...bytes);
    this.#changed();
  }

  protected answer(...bytes: number[]): void {
    this.send(acknowledge, ...bytes);
  }
}

/** An MF2 keyboard that speaks scan code set 2. */
export class Keyboard extends Ps2Device {
  readonly id = "keyboard";

  constructor(changed: () => void) {
    super(changed, true);
  }

  /** Bit 0 scroll lock, 1 num lock, 2 caps lock. */
  get leds(): number {
    return this.r.leds;
  }

  /** A key went down or up; `code` is a set 2 code, E0h-prefixed ones with 0xE000 added. */
  key(code: number, down: boolean): void {
    if (!this.r.scanning) return;
    const bytes = code > 0xff ? [0xe0] : [];
    if (!down) bytes.push(0xf0);
    this.send(...bytes, code & 0xff);
  }

  override command(byte: number): void {
    const r = this.r;
    const argumentOf = r.expecting;
    r.expecting = 0;
    if (argumentOf === 0xed) {
      r.leds = byte & 7;
      this.answer();
    } else if (argumentOf === 0xf3) {
      this.answer();
    } else if (argumentOf === 0xf0) {
      if (byte === 0) this.answer(r.set);
      else if (byte <= 3) {
        r.set = byte;
        this.answer();
      } else this.send(resend);
    } else {
      this.#plainCommand(byte);
    }
  }

  #plainCommand(byte: number): void {
    const r = this.r;
    switch (byte) {
      case 0xed:
      case 0xf0:
      case 0xf3:
        r.expecting = byte;
        this.answer();
        break;
      case 0xee:
        this.send(0xee);
        break;
      case 0xf2:
        this.answer(0xab, 0x83);
        break;
      case 0xf4:
      case 0xf5:
      case 0xf6:
        r.scanning = byte !== 0xf5;
        if (byte !== 0xf4) r.leds = 0;
        r.queue = [];
        this.answer();
        break;
      case 0xff:
        this.reset();
        this.answer(selfTestPassed);
        break;
      default:
        this.send(resend);
    }
  }
}

/** A standard three-button mouse with three-byte packets. */
export class Mouse extends Ps2Device {
  readonly id = "mouse";

  constructor(changed: () => void) {
    super(changed, false);
  }

  /** Relative motion, y upwards, each -255 .. 255; buttons bit 0 left, 1 right, 2 middle. */
  move(dx: number, dy: number, buttons: number): void {
    const r = this.r;
    r.buttons = buttons & 7;
    if (r.scanning && !r.remote) this.send(...packet(dx, dy, r.buttons));
  }

  override command(byte: number): void {
    const r = this.r;
    const argumentOf = r.expecting;
    r.expecting = 0;
    if (argumentOf === 0xf3) {
      r.rate = byte;
      this.answer();
    } else if (argumentOf === 0xe8) {
      r.resolution = byte & 3;
      this.answer();
    } else if (r.wrap && byte !== 0xec && byte !== 0xff) {
      this.send(byte);
    } else {
      this.#plainCommand(byte);
    }
  }

  #plainCommand(byte: number): void {
    const r = this.r;
    switch (byte) {
      case 0xe6:
      case 0xe7:
        r.scaling = byte === 0xe7;
        this.answer();
        break;
      case 0xe8:
      case 0xf3:
        r.expecting = byte;
        this.answer();
        break;
      case 0xe9:
        this.answer(this.#status(), r.resolution, r.rate);
        break;
      case 0xea:
      case 0xf0:
        r.remote = byte === 0xf0;
        this.answer();
        break;
      case 0xeb:
        this.answer(...packet(0, 0, r.buttons));
        break;
      case 0xec:
      case 0xee:
        r.wrap = byte === 0xee;
        this.answer();
        break;
      case 0xf2:
        this.answer(0);
        break;
      case 0xf4:
      case 0xf5:
        r.scanning = byte === 0xf4;
        this.answer();
        break;
      case 0xf6:
      case 0xff:
        this.reset();
        if (byte === 0xff) this.answer(selfTestPassed, 0);
        else this.answer();
        break;
      default:
        this.send(resend);
    }
  }

  #status(): number {
    const { remote, scanning, scaling, buttons } = this.r;
    const swapped = ((buttons & 1) << 2) | ((buttons & 2) >> 1) | ((buttons & 4) >> 1);
    return (remote ? 0x40 : 0) | (scanning ? 0x20 : 0) | (scaling ? 0x10 : 0) | swapped;
  }
}

function packet(dx: number, dy: number, buttons: number): number[] {
  return [8 | buttons | (dx < 0 ? 0x10 : 0) | (dy < 0 ? 0x20 : 0), dx & 0xff, dy & 0xff];
}
