import type { Machine } from "../machine.ts";

/** What a user does at the keyboard and with the pointer. */
export type KeyInput =
  /** By KeyboardEvent.code. */
  | { readonly kind: "key"; readonly code: string; readonly down: boolean }
  /** Relative motion, y downwards as on the page, turns of the wheel towards the user; buttons 1 left, 2 right, 4 middle. */
  | { readonly kind: "pointer"; readonly dx: number; readonly dy: number; readonly wheel: number; readonly buttons: number };

export type Input = KeyInput | { readonly kind: "serial"; readonly bytes: Uint8Array };

/** An input of the run, and the clock at which the machine got it. */
export type StampedInput = Input & { readonly t: number };

/** The latest inputs are kept; a run whose first ones are gone cannot be done again from its start. */
const KEPT = 65536;

/** Every input of a run with its t: given again at those times, they make the same run. */
export class InputLog {
  #entries: StampedInput[] = [];
  #lost = 0;

  get entries(): readonly StampedInput[] {
    return this.#entries;
  }
  /** Inputs that came before the first one kept. */
  get lost(): number {
    return this.#lost;
  }

  record(t: number, input: Input): void {
    this.#entries.push({ ...input, t });
    if (this.#entries.length <= KEPT) return;
    this.#lost += this.#entries.length - KEPT;
    this.#entries = this.#entries.slice(-KEPT);
  }
  clear(): void {
    this.#entries = [];
    this.#lost = 0;
  }
}

/** Hands an input to the machine's controllers; serial input as far as the UART takes it. Returns how many bytes it took. */
export function give({ uart, i8042 }: Machine, input: Input): number {
  if (input.kind === "serial") return uart.receive(input.bytes);
  if (input.kind === "key") i8042.key(input.code, input.down);
  else i8042.mouse.move(input.dx, -input.dy, input.buttons, input.wheel);
  return 0;
}
