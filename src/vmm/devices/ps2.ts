import type { Saved } from "../../base/index.ts";
import { SavedRecord } from "../../base/index.ts";
import { restoreFields, saveFields } from "./device.ts";
import { toSet1 } from "./scancodes.ts";

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
    if (this.r.set === 1) {
      this.send(...bytes, toSet1(code & 0xff) | (down ? 0 : 0x80));
      return;
    }
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

/** Sample rates that, set one after the other, switch a mouse with a wheel to packets of four bytes (Microsoft's IntelliMouse). */
const KNOCK = [200, 100, 80];
const WHEEL_ID = 3;

/** A standard three-button mouse with three-byte packets, and a wheel for who knows to ask for it. */
export class Mouse extends Ps2Device {
  readonly id = "mouse";
  /** Packets have a fourth byte. */
  #wheel = false;
  /** How many rates of the knock have been heard. */
  #heard = 0;

  constructor(changed: () => void) {
    super(changed, false);
  }

  /** Relative motion, y upwards, in as many packets as it takes; turns of the wheel; buttons bit 0 left, 1 right, 2 middle. */
  move(dx: number, dy: number, buttons: number, wheel = 0): void {
    const r = this.r;
    r.buttons = buttons & 7;
    if (!r.scanning || r.remote) return;
    for (let part = 0; part < MOST_PACKETS; part++) {
      const x = within(dx, 255),
        y = within(dy, 255),
        z = within(wheel, 7);
      this.send(...packet(x, y, r.buttons), ...(this.#wheel ? [z & 0xff] : []));
      dx -= x;
      dy -= y;
      wheel -= z;
      if (dx === 0 && dy === 0 && (wheel === 0 || !this.#wheel)) return;
    }
  }

  override reset(): void {
    super.reset();
    this.#wheel = false;
    this.#heard = 0;
  }
  /** The wheel has a place in the state of a mouse that was asked for it. */
  override save(): Saved {
    const fields = saveFields(this.r) as { [key: string]: Saved };
    return this.#wheel || this.#heard > 0 ? { ...fields, wheel: this.#wheel, knock: this.#heard } : fields;
  }
  override restore(state: Saved): void {
    super.restore(state);
    const record = new SavedRecord(this.id, state),
      known = record.optional("wheel") !== null;
    this.#wheel = known && record.bool("wheel");
    this.#heard = known ? record.int("knock", KNOCK.length - 1) : 0;
  }
  #hear(rate: number): void {
    this.#heard = rate === KNOCK[this.#heard] ? this.#heard + 1 : rate === KNOCK[0] ? 1 : 0;
    if (this.#heard < KNOCK.length) return;
    this.#heard = 0;
    this.#wheel = true;
  }

  override command(byte: number): void {
    const r = this.r;
    const argumentOf = r.expecting;
    r.expecting = 0;
    if (argumentOf === 0xf3) {
      r.rate = byte;
      this.#hear(byte);
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
        this.answer(...packet(0, 0, r.buttons), ...(this.#wheel ? [0] : []));
        break;
      case 0xec:
      case 0xee:
        r.wrap = byte === 0xee;
        this.answer();
        break;
      case 0xf2:
        this.answer(this.#wheel ? WHEEL_ID : 0);
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
/** A move that takes more than this many packets is cut: the queue has no room for it. */
const MOST_PACKETS = 8;
const within = (v: number, most: number): number => Math.max(-most, Math.min(most, Math.trunc(v)));
