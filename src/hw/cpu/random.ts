// RDRAND and RDSEED: a deterministic stream, so that a run can be repeated. The generator is SplitMix64: a Weyl
// sequence whose terms are mixed by two multiplications.
//
//   rdrand(rec, size, b), rdseed(rec, size, b): usize      b: byte offset of the register
import { SEED, put } from "./state";
import { CF, setArithmeticFlags } from "./flags";
import { intercepts, intercept, I_RDRAND, I_RDSEED } from "./intercept";
import { next } from "./flow";

function random(): u64 {
  const weyl = load<u64>(SEED) + 0x9e3779b97f4a7c15;
  store<u64>(SEED, weyl);
  let v = (weyl ^ (weyl >> 30)) * 0xbf58476d1ce4e5b9;
  v = (v ^ (v >> 27)) * 0x94d049bb133111eb;
  return v ^ (v >> 31);
}
/** A number is always ready: CF is set. */
function give(rec: usize, size: u32, b: u32): usize {
  const v = random();
  if (size == 2) put<u16>(b, <u16>v);
  else if (size == 4) put<u32>(b, <u32>v);
  else put<u64>(b, v);
  setArithmeticFlags(CF);
  return next(rec);
}
export function rdrand(rec: usize, size: u32, b: u32): usize {
  if (intercepts & I_RDRAND) { const pc = intercept(I_RDRAND, rec, 0, 0); if (pc) return pc; }
  return give(rec, size, b);
}
export function rdseed(rec: usize, size: u32, b: u32): usize {
  if (intercepts & I_RDSEED) { const pc = intercept(I_RDSEED, rec, 0, 0); if (pc) return pc; }
  return give(rec, size, b);
}
