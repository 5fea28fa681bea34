import { type MmioSize, type MmioValue, mmioValue } from "../../base/index.ts";
import type { Emulator } from "../emulate/emulator.ts";
import type { Move } from "../emulate/moves.ts";
import { KvmExit } from "../exit.ts";
import type { SecondStageFault } from "../handlers.ts";
import type { ArchVcpu, Handled } from "../ops.ts";
import type { Devices, DevicesOptions, DevicesVcpu } from "./devices.ts";

interface MovingVcpu extends DevicesVcpu {
  readonly arch: ArchVcpu;
  tick(): void;
}

/**
 * Exits on device memory whose instruction is a MOV that has been completed before (../emulate/moves.ts): the device is asked first,
 * the instruction runs once afterwards. What such an exit does is what the long way does, in the same order; a trace takes that.
 */
export class DeviceMoves {
  readonly #o: DevicesOptions;
  readonly #v: MovingVcpu;
  readonly #devices: Devices;
  readonly #emulator: Emulator;
  readonly #long: (fault: SecondStageFault) => Handled;
  /** What user space is being asked for. */
  #move: Move | undefined;
  #fault: SecondStageFault | undefined;

  /** @param long completes the instruction the long way */
  constructor(options: DevicesOptions, vcpu: MovingVcpu, devices: Devices, emulator: Emulator, long: (fault: SecondStageFault) => Handled) {
    this.#o = options;
    this.#v = vcpu;
    this.#devices = devices;
    this.#emulator = emulator;
    this.#long = long;
  }

  /** Undefined: it takes the long way, and nothing has happened. */
  handle(f: SecondStageFault): Handled | undefined {
    if (this.#o.trace.on) return undefined;
    const move = this.#emulator.move(f.ripLow, f.ripHigh, f.rflags, f.linearLow, f.linearHigh, f.gpa, f.write);
    if (!move) return undefined;
    const { gpa } = f,
      chip = this.#devices.chip(gpa);
    this.#move = move;
    this.#fault = f;
    if (!f.write) {
      if (chip) return this.#loaded(chip.mmioRead(gpa & 0xfff, move.size as MmioSize));
      this.#devices.ask(false, gpa, move.size, 0);
      return this.#v.toUser(KvmExit.MMIO, this.#answered);
    }
    const value = this.#emulator.stored(move);
    if (value === undefined) return undefined;
    if (chip) {
      chip.mmioWrite(gpa & 0xfff, move.size as MmioSize, value);
      return this.#done();
    }
    this.#devices.ask(true, gpa, move.size, value);
    return this.#v.toUser(KvmExit.MMIO, this.#done);
  }
  readonly #answered = (): Handled => this.#loaded(this.#v.run.mmio.data);
  #loaded(value: MmioValue): Handled {
    const { move, fault } = { move: this.#move, fault: this.#fault };
    if (!move || !fault) throw new Error("no load waits for a value");
    return this.#emulator.load(move, mmioValue(value, move.size)) ? this.#done() : this.#long(fault);
  }
  readonly #done = (): Handled => {
    const { arch } = this.#v;
    this.#o.stats.emulations++;
    arch.length = this.#move?.bytes.length ?? 0;
    arch.skip();
    arch.length = 0;
    this.#v.tick();
    return "again";
  };
}
