import { VitrineError } from "../base/index.ts";

/** A command line that cannot be run: one line naming option, value and cure. */
export class OptionError extends VitrineError {
  constructor(option: string, value: string, cure: string) {
    super("option", option, value, cure);
    this.name = "OptionError";
  }
}

export function oneOf<T extends string>(option: string, v: string, choices: readonly T[]): T {
  const found = choices.find((c) => c === v);
  if (found === undefined) throw new OptionError(option, quote(v), `choose ${choices.join(" or ")}`);
  return found;
}

export function nonEmpty(option: string, v: string, cure: string): string {
  if (v === "") throw new OptionError(option, "is empty", cure);
  return v;
}

export function split(part: string): [string, string | undefined] {
  const at = part.indexOf("=");
  return at < 0 ? [part, undefined] : [part.slice(0, at), part.slice(at + 1)];
}

/** Text for a message: one line of printable characters, not too long. */
export function oneLine(v: string): string {
  const shown = v.length > 60 ? `${v.slice(0, 57)}...` : v;
  return shown.replaceAll(/[^\x20-\x7e]/g, "?");
}

export function quote(v: string): string {
  return `"${oneLine(v)}"`;
}
