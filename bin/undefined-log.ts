import type { UndefinedInstruction, UndefinedInstructions } from "../src/base/index.ts";

/** `-d unimp`: one line for each opcode that the processor did not know, as far as its record of the latest reaches. */
export class UndefinedLog {
  readonly #read: () => UndefinedInstructions;
  readonly #line: (text: string) => void;
  #written = 0;

  constructor(read: () => UndefinedInstructions, line: (text: string) => void) {
    this.#read = read;
    this.#line = line;
  }

  /** Writes what has come since the last call. */
  write(): void {
    const { count, latest } = this.#read(), fresh = count - this.#written;
    if (fresh === 0) return;
    this.#written = count;
    const kept = latest.slice(-fresh);
    if (kept.length < fresh) this.#line(`unimp: ${fresh - kept.length} more before these`);
    for (const one of kept) this.#line(lineOf(one));
  }
}

function lineOf({ t, linear, bytes }: UndefinedInstruction): string {
  const hex = [...bytes].map((b) => b.toString(16).padStart(2, "0")).join(" ");
  return `unimp: t=${t} at ${linear.toString(16).padStart(16, "0")}: ${hex}: #UD`;
}
