// Guest-physical mappings ("Caching Translation Information" in the SDM): what a walk of the EPT tables has given, kept until
// INVEPT. Only walks that succeed are kept, and an access that an entry does not allow walks again.
//
//   entry (32 bytes)  +0 guest-physical page | generation   +8 EPTP   +16 physical page   +24 rights R W X, 8 dirty   +28 walk references
import { N_WALK_REFS } from "../cpu/state";

const ENTRIES: usize = 1024;
const CACHE = memory.data(1024 * 32, 32);
let generation: u64 = 1;

/** INVEPT, or anything else that may have changed the tables unseen. */
export function forgetMappings(): void {
  if (++generation < 4096) return;
  generation = 1;
  memory.fill(CACHE, 0, ENTRIES << 5);
}
@inline function slotOf(gpa: u64): usize { return CACHE + ((<usize>(gpa >> 12) & (ENTRIES - 1)) << 5); }

/** The entry that allows the access `wanted`, 0 when there is none. Counts the references of the walk it stands for. */
@inline export function findMapping(gpa: u64, eptp: u64, wanted: u64): usize {
  const slot = slotOf(gpa);
  if (load<u64>(slot) != ((gpa & ~0xfff) | generation) || load<u64>(slot, 8) != eptp) return 0;
  // A write to a clean page has its dirty flag to set.
  const needed = wanted & 2 ? wanted | 8 : wanted;
  if ((<u64>load<u32>(slot, 24) & needed) != needed) return 0;
  store<u64>(N_WALK_REFS, load<u64>(N_WALK_REFS) + load<u32>(slot, 28));
  return slot;
}
@inline export function mappedPage(slot: usize): u64 { return load<u64>(slot, 16); }
/** Rights as in an EPT entry, and 8 when writes leave no dirty flag to set. */
@inline export function mappedRights(slot: usize): u64 { return <u64>load<u32>(slot, 24); }

export function keepMapping(gpa: u64, eptp: u64, pa: u64, perms: u64, dirty: bool, references: u32): void {
  if (gpa >> 52) return;
  const slot = slotOf(gpa);
  store<u64>(slot, (gpa & ~0xfff) | generation);
  store<u64>(slot, eptp, 8);
  store<u64>(slot, pa & ~0xfff, 16);
  store<u32>(slot, <u32>perms | (dirty ? 8 : 0), 24);
  store<u32>(slot, references, 28);
}
