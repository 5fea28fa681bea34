import { VitrineError } from "../../base/index.ts";

/** A line the assembler refuses: which one, what is wrong with it, what would cure it. */
export class AssembleError extends VitrineError {
  readonly line: number;

  /** `file` names an included file, in which `line` is counted. */
  constructor(line: number, value: string, cure = "see the NASM manual for the syntax", file?: string) {
    super("assemble", file === undefined ? `line ${line}` : `${file} line ${line}`, value, cure);
    this.name = "AssembleError";
    this.line = line;
  }
}
