// Opcodes this processor does not know: #UD as the manual says, and a record of the latest sixteen for whoever looks.
//
//   UNDEFINED + 32 (n mod 16), n = N_UNDEFINED before it is counted
//   +0 t   +8 linear address   +16 up to 15 bytes from the page it starts in   +31 how many
import { LAST_UNDEFINED, N_UNDEFINED, UNDEFINED, REGS, RIPB_OFF, SEG_EBASE, CS, MODE, MODE_L, block } from "./state";
import { pageOffset } from "./record";
import { invalidOpcode, now } from "./flow";
import { physEntry } from "../mmu/phys";

export function undefined(rec: usize): usize {
  note(rec);
  return invalidOpcode(rec);
}

function note(rec: usize): void {
  const n = load<u64>(N_UNDEFINED), at = UNDEFINED + (<usize>(n & LAST_UNDEFINED) << 5);
  store<u64>(N_UNDEFINED, n + 1);
  const offset = pageOffset(rec);
  // RIPB is the page's linear address without the code segment's base.
  const linear = load<u64>(SEG_EBASE + (CS << 3)) + load<u64>(REGS + RIPB_OFF) + offset;
  store<u64>(at, now());
  store<u64>(at, load<u32>(MODE) & MODE_L ? linear : linear & 0xffffffff, 8);
  memory.fill(at + 16, 0, 16);
  const entry = physEntry(<u64>load<u32>(block, 4));
  if (!entry) return;
  const bytes = min<u32>(15, 4096 - offset);
  memory.copy(at + 16, (<usize>entry & ~<usize>4095) + offset, bytes);
  store<u8>(at, <u8>bytes, 31);
}
