import { F } from "./fields.ts";
import type { Vmcs } from "./vmcs.ts";

const [ES, CS, SS, LDTR, TR] = [0, 1, 2, 6, 7];
const UNUSABLE = 0x10000;
const VM = 0x20000;

/**
 * May the processor enter this guest without being unrestricted (guest_state_valid)? Segments as "Checks on Guest Segment
 * Registers" wants them of a guest in protected mode; what real mode leaves in them does not do.
 */
export function segmentsValid(v: Vmcs, longMode: boolean): boolean {
  const rights = (s: number): number => v.low(F.GUEST_ES_AR + 2 * s),
    selector = (s: number): number => v.low(F.GUEST_ES_SELECTOR + 2 * s);
  const usable = (s: number): boolean => (rights(s) & UNUSABLE) === 0,
    granular = (s: number): boolean => granularityFits(v.low(F.GUEST_ES_LIMIT + 2 * s), rights(s));
  const taskType = rights(TR) & 15;
  if ((selector(TR) & 4) !== 0 || !usable(TR) || (rights(TR) & 0x90) !== 0x80 || !granular(TR)) return false;
  if (taskType !== 11 && (taskType !== 3 || longMode)) return false;
  if (usable(LDTR) && ((selector(LDTR) & 4) !== 0 || (rights(LDTR) & 0x9f) !== 0x82 || !granular(LDTR))) return false;
  if ((v.low(F.GUEST_RFLAGS) & VM) !== 0) return true;
  if (((selector(SS) ^ selector(CS)) & 3) !== 0) return false;
  const cs = rights(CS),
    ss = rights(SS),
    csDpl = (cs >> 5) & 3,
    ssDpl = (ss >> 5) & 3;
  if ((cs & 9) !== 9 || ((cs & 15) < 12 ? csDpl !== ssDpl : csDpl > ssDpl)) return false;
  if (usable(SS) && (ss & 15) !== 3 && (ss & 15) !== 7) return false;
  if (ssDpl !== (selector(SS) & 3)) return false;
  for (let s = ES; s < LDTR; s++) {
    const a = rights(s);
    if (s !== CS && !usable(s)) continue;
    if ((a & 0x90) !== 0x90 || !granular(s)) return false;
    if (s === CS || s === SS) continue;
    if ((a & 1) === 0 || (a & 10) === 8) return false;
    if ((a & 15) <= 11 && ((a >> 5) & 3) < (selector(s) & 3)) return false;
  }
  return true;
}
const granularityFits = (limit: number, rights: number): boolean =>
  (rights & 0x8000) !== 0 ? (limit & 0xfff) === 0xfff : limit >>> 20 === 0;
