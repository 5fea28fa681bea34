import { VitrineError } from "../../base/index.ts";

/** A line the assembler refuses: which one, what is wrong with it, what would cure it. */
export class AssembleError extends VitrineError {
  readonly line: number;

  constructor(line: number, value: string, cure = "see the NASM manual for the syntax") {
    super("assemble", `line ${line}`, value, cure);
    this.name = "AssembleError";
    this.line = line;
  }
}
