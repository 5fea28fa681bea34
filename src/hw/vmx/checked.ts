// What the checks of VM entry have passed once, they need not look at again: the fields they read are compared with those that
// passed, sixteen bytes at a time. Nothing has to tell this chapter that a field was written, by whatever means: bytes that
// differ are checked.
//
//   VMCS region   100 VPID   180 guest selectors   1c0 host selectors   200 addresses of the controls   400 guest link .. EFER
//                 500 host PAT, EFER   600 controls   700 guest limits and rights   a00 guest CR0 .. DR7   a80 RFLAGS
//                 a90 guest SYSENTER   b00 host CR0 .. IDTR
//
// Left out are the fields that change with every entry and those whose checks read memory; entry.ts makes these checks always:
// the event to be injected, RIP, RFLAGS, activity, interruptibility, pending debug exceptions, link pointer, PDPTEs.
import { EFER } from "../cpu/state";
import { physBits } from "../mmu/walk";
import * as F from "./fields";
import * as S from "./state";

const FROM: usize = 0x100, TO: usize = 0xb60;
/** The fields that have passed, where the region has them. */
const PASSED = memory.data(0xb60, 16);
let passedEfer: u64 = 0;
let passedBits: u64 = 0;
let any: bool = false;
const VIRTUAL_8086: u64 = 0x20000;

/** The capabilities have changed: nothing has passed. */
export function forgetPassed(): void { any = false; }

@inline function differ(at: usize): v128 { return v128.xor(v128.load(S.region() + at), v128.load(PASSED + at)); }
@inline function differ2(at: usize): v128 { return v128.or(differ(at), differ(at + 16)); }
@inline function differ4(at: usize): v128 { return v128.or(differ2(at), differ2(at + 32)); }
@inline function differ8(at: usize): u64 { return load<u64>(S.region() + at) ^ load<u64>(PASSED + at); }

/** Are the fields of the current VMCS those that have passed? */
export function passedBefore(): bool {
  // With a TPR shadow a check reads the virtual-APIC page.
  if (!any || (S.r32(F.PROC_CONTROLS) & S.P_TPR_SHADOW)) return false;
  const controls = v128.or(v128.or(differ(0x100), differ4(0x200)), v128.or(v128.or(differ2(0x240), differ(0x260)), differ2(0x600)));
  const guest = v128.or(v128.or(v128.or(differ(0x180), differ2(0x400)), v128.or(differ4(0x700), differ4(0xa00))), v128.or(v128.or(differ2(0xa40), differ(0xa60)), differ(0xa90)));
  const host = v128.or(v128.or(differ(0x1c0), differ(0x500)), v128.or(differ4(0xb00), differ(0xb40)));
  if (v128.any_true(v128.or(v128.or(controls, guest), host))) return false;
  // Controls around the event's fields, the last rights, RFLAGS.VM, the host's RIP; and what is no field.
  const rest = differ8(0x620) | differ8(0x624) | differ8(0x638) | differ8(0x740) | (differ8(0xa80) & VIRTUAL_8086) | differ8(0xb58);
  return rest == 0 && passedEfer == load<u64>(EFER) && passedBits == physBits;
}
/** They have passed just now. */
export function keepPassed(): void {
  memory.copy(PASSED + FROM, S.region() + FROM, TO - FROM);
  passedEfer = load<u64>(EFER);
  passedBits = physBits;
  any = true;
}
