/** Door of the x87 library: everything the CPU's x87 chapter calls. */
export {
  c1, clearFlags, excFlags, mask, precision, raise, rounding, setC1, setControlWord, unmasked,
} from "./status";
export { rSE, rM, setResult, f80class } from "./f80-core";
export {
  f80add, f80sub, f80mul, f80div, f80sqrt, f80rem, f80scale, f80exponentOf, f80significandOf, f80rndint,
  f80compare, f80test, f80examine,
} from "./f80-arith";
export {
  f80fromI64, f80toInt, f80fromF32, f80fromF64, f80toF32, f80toF64, f80fromBcd, f80toBcd, bcdLo, bcdHi,
} from "./f80-convert";
export { f80sin, f80cos, f80tan, f80patan } from "./f80-trig";
export { f80yl2x, f80yl2xp1, f80f2xm1 } from "./f80-logarithm";
