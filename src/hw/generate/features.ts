// CPUID features that gate decoding, in the order of the FEATURES bytes (index 0 is "always").
import { rows } from "../../isa/index.ts";

const NOT_FEATURES = new Set([
  "i64", "o64", "d64", "f64", "cpl0", "iopl", "umip", "noreal", "lock", "rep", "repz", "end", "alias", "norexb", "asz", "nosz", "fpu", "fpunw", "mmx",
]);
/** Features that every machine of ours has, or that only describe a state check. */
const ALWAYS = new Set(["cmov", "cx8", "tsc", "msr", "lahf_lm"]);

export const features: readonly string[] = [
  "",
  ...new Set(rows.flatMap((r) => [...r.attributes]).filter((a) => !NOT_FEATURES.has(a) && !ALWAYS.has(a))),
];
