import type { ExitHandlers } from "../handlers.ts";
import type { Handled } from "../ops.ts";
import { F } from "./fields.ts";
import type { VmxVcpu } from "./ops.ts";

type Handler = (v: VmxVcpu, h: ExitHandlers) => Handled;
const again =
  (act: (v: VmxVcpu, h: ExitHandlers) => void): Handler =>
  (v, h) => {
    act(v, h);
    return "again";
  };

/** "I/O Instructions" in the table of exit qualifications. */
function io(v: VmxVcpu, h: ExitHandlers): Handled {
  const q = v.vmcs.number(F.QUALIFICATION),
    size = (q & 7) + 1;
  return h.portIo({
    port: (q >>> 16) & 0xffff,
    size: size === 1 ? 1 : size === 2 ? 2 : 4,
    write: (q & 8) === 0,
    string: (q & 16) !== 0,
  });
}

/** KVM owns CR0.NE and CR4.VMXE; everything else the guest writes itself. */
function crAccess(v: VmxVcpu, h: ExitHandlers): void {
  const q = v.vmcs.number(F.QUALIFICATION),
    cr = q & 15,
    kind = (q >> 4) & 3,
    register = (q >> 8) & 15;
  const value = v.register(register);
  h.trace(cr, kind !== 1, value);
  if (cr === 8) h.instructions.cr8(kind === 0, register);
  else if (cr === 0 && kind === 0) {
    // The shadow takes the guest's NE, and the instruction runs again: now nothing differs that KVM owns.
    v.vmcs.write(F.CR0_SHADOW, (v.vmcs.read(F.CR0_SHADOW) & ~0x20n) | (value & 0x20n));
    h.uncount();
  } else h.faultInstead(13, 0); // no VMX inside: CR4.VMXE is reserved
}

function eptViolation(v: VmxVcpu, h: ExitHandlers): Handled {
  const q = v.vmcs.number(F.QUALIFICATION);
  return h.pageFault({
    gpa: v.vmcs.number(F.GUEST_PHYSICAL),
    linearLow: v.vmcs.low(F.GUEST_LINEAR),
    linearHigh: v.vmcs.high(F.GUEST_LINEAR),
    write: (q & 2) !== 0,
    fetch: (q & 4) !== 0,
    final: (q & 0x180) === 0x180,
    code: q,
  });
}

/** By basic exit reason ("VMX Basic Exit Reasons"). */
const handlers: Readonly<Record<number, Handler>> = {
  1: again(() => {}), // external interrupt: the host's own, already served
  2: (_, h) => h.shutdown(),
  3: again((_, h) => h.initSignal()),
  7: again((v) => v.interruptWindow(false)),
  8: again((v) => v.nmiWindow(false)),
  9: (_, h) => h.taskSwitch(),
  10: again((_, h) => h.instructions.cpuid()),
  12: again((_, h) => h.instructions.halt()),
  13: again((v) => v.skip()), // INVD
  28: again(crAccess),
  30: io,
  31: again((_, h) => h.instructions.readMsr()),
  32: again((_, h) => h.instructions.writeMsr()),
  48: eptViolation,
  54: again((v) => v.skip()), // WBINVD
  55: again((_, h) => h.instructions.setXcr()),
};

export function handleExit(v: VmxVcpu, h: ExitHandlers): Handled {
  const reason = v.vmcs.number(F.EXIT_REASON) & 0xffff,
    handler = handlers[reason];
  if (handler) return handler(v, h);
  // VMX instructions without VMX: undefined.
  if (reason >= 18 && reason <= 27) {
    h.faultInstead(6, -1);
    return "again";
  }
  return h.internalError(`unexpected exit reason ${reason}`);
}
