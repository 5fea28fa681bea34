import type { ExitHandlers } from "../handlers.ts";
import type { Handled } from "../ops.ts";
import { F, X } from "./fields.ts";
import type { VmxVcpu } from "./ops.ts";

const RAX = 0,
  RCX = 1,
  RDX = 2,
  EFER = 0xc0000080n;

type Handler = (v: VmxVcpu, h: ExitHandlers) => Handled;
const again =
  (act: (v: VmxVcpu, h: ExitHandlers) => void): Handler =>
  (v, h) => {
    act(v, h);
    return "again";
  };

/** "I/O Instructions" in the table of exit qualifications. */
function io(v: VmxVcpu, h: ExitHandlers): Handled {
  const q = v.exit[X.QUALIFICATION] ?? 0,
    size = (q & 7) + 1,
    { port } = v;
  port.port = q >>> 16;
  port.size = size === 1 ? 1 : size === 2 ? 2 : 4;
  port.write = (q & 8) === 0;
  port.string = (q & 16) !== 0;
  return h.portIo(port);
}

/** With shadow paging the paging registers are virtual: what the instruction does to them is the emulator's to say, but for CR3's. */
function pagingRegister(v: VmxVcpu, h: ExitHandlers): Handled {
  const q = v.vmcs.number(F.QUALIFICATION),
    cr = q & 15,
    kind = (q >> 4) & 3,
    register = (q >> 8) & 15;
  if (cr === 8) {
    crAccess(v, h);
    return "again";
  }
  if (cr !== 3) return h.emulate();
  if (kind === 1) v.setRegister(register, v.in64Bit ? v.control(3) : v.control(3) & 0xffffffffn);
  else if (!v.writeCr3(v.in64Bit ? v.register(register) : v.register(register) & 0xffffffffn)) {
    h.faultInstead(13, 0);
    return "again";
  }
  h.trace(3, kind !== 1, v.control(3));
  v.skip();
  return "again";
}

/** EPT without an unrestricted guest: CR0.PG and PE are KVM's, and all paging registers while the guest has no paging. */
function restrictedRegister(v: VmxVcpu, h: ExitHandlers): Handled {
  if ((v.vmcs.number(F.QUALIFICATION) & 15) !== 8) return h.emulate();
  crAccess(v, h);
  return "again";
}

/** Of exceptions only page faults exit: those of the guest's tables, and those of their shadow. */
function pageFault(v: VmxVcpu, h: ExitHandlers): Handled {
  const info = v.vmcs.number(F.EXIT_INFO);
  // IRET had ended NMI blocking when it faulted ("NMI unblocking due to IRET").
  if ((info & 0x1000) !== 0 && !v.eventPending) v.vmcs.put(F.INTERRUPTIBILITY, v.vmcs.number(F.INTERRUPTIBILITY) | 8);
  return h.shadowFault(v.vmcs.low(F.QUALIFICATION), v.vmcs.high(F.QUALIFICATION), v.vmcs.number(F.EXIT_CODE));
}
function invalidatePage(v: VmxVcpu): void {
  v.shadow?.invalidatePage(v.vmcs.low(F.QUALIFICATION), v.vmcs.high(F.QUALIFICATION));
  v.skip();
}
function writeMsr(v: VmxVcpu, h: ExitHandlers): void {
  if ((v.shadow || v.restricted) && (v.register(RCX) & 0xffffffffn) === EFER) {
    const value = (v.register(RAX) & 0xffffffffn) | ((v.register(RDX) & 0xffffffffn) << 32n);
    if (v.writeEfer(value)) v.skip();
    else h.faultInstead(13, 0);
  } else h.instructions.writeMsr();
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
  else if (cr === 0 && kind === 0 && v.refusesCr0(value)) h.faultInstead(13, 0);
  else if (cr === 0 && kind === 0) {
    // The shadow takes the guest's NE, and the instruction runs again: now nothing differs that KVM owns.
    v.vmcs.write(F.CR0_SHADOW, (v.vmcs.read(F.CR0_SHADOW) & ~0x20n) | (value & 0x20n));
    h.uncount();
  } else h.faultInstead(13, 0); // no VMX inside: CR4.VMXE is reserved
}

/** IRET has ended the blocking of NMIs and faults now: they are blocked until it has run ("NMI unblocking due to IRET"). */
function blockNmiAgain(v: VmxVcpu): void {
  const unblocked = ((v.exit[X.QUALIFICATION] ?? 0) & 0x1000) !== 0,
    delivering = ((v.exit[X.VECTORING] ?? 0) & 0x80000000) !== 0;
  if (unblocked && !delivering) v.vmcs.put(F.INTERRUPTIBILITY, v.vmcs.number(F.INTERRUPTIBILITY) | 8);
}

function eptViolation(v: VmxVcpu, h: ExitHandlers): Handled {
  const { exit, fault } = v,
    q = exit[X.QUALIFICATION] ?? 0;
  blockNmiAgain(v);
  fault.gpa = (exit[X.PHYSICAL] ?? 0) + (exit[X.PHYSICAL + 1] ?? 0) * 0x100000000;
  fault.linearLow = exit[X.LINEAR] ?? 0;
  fault.linearHigh = exit[X.LINEAR + 1] ?? 0;
  fault.write = (q & 2) !== 0;
  fault.fetch = (q & 4) !== 0;
  fault.final = (q & 0x180) === 0x180;
  fault.code = q;
  fault.ripLow = exit[X.RIP] ?? 0;
  fault.ripHigh = exit[X.RIP + 1] ?? 0;
  fault.rflags = exit[X.RFLAGS] ?? 0;
  return h.pageFault(fault);
}

/** Of the exceptions KVM intercepts #UD, and #PF where it shadows the guest's tables. */
function exception(v: VmxVcpu, h: ExitHandlers): Handled {
  return (v.vmcs.number(F.EXIT_INFO) & 0xff) === 6 ? h.undefinedOpcode() : pageFault(v, h);
}

/** By basic exit reason ("VMX Basic Exit Reasons"). */
const handlers: Readonly<Record<number, Handler>> = {
  0: exception,
  1: again(() => {}), // external interrupt: the host's own, already served
  2: (_, h) => h.shutdown(),
  3: again((_, h) => h.initSignal()),
  7: again((v) => v.interruptWindow(false)),
  8: again((v) => v.nmiWindow(false)),
  9: (_, h) => h.taskSwitch(),
  10: again((_, h) => h.instructions.cpuid()),
  12: again((_, h) => h.instructions.halt()),
  13: again((v) => v.skip()), // INVD
  14: again(invalidatePage),
  18: again((_, h) => h.hypercall()),
  28: (v, h) => (v.shadow ? pagingRegister(v, h) : v.restricted ? restrictedRegister(v, h) : again(crAccess)(v, h)),
  30: io,
  31: again((_, h) => h.instructions.readMsr()),
  32: again(writeMsr),
  40: (v, h) => {
    v.growPauseWindow();
    v.skip();
    return h.spin();
  },
  48: eptViolation,
  54: again((v) => v.skip()), // WBINVD
  55: again((_, h) => h.instructions.setXcr()),
  58: (v, h) => {
    v.shadow?.flush();
    return h.emulate();
  },
  62: again((v, h) => {
    blockNmiAgain(v);
    h.logFull();
  }),
};

export function handleExit(v: VmxVcpu, h: ExitHandlers): Handled {
  const reason = (v.exit[X.REASON] ?? 0) & 0xffff,
    handler = handlers[reason];
  if (handler) return handler(v, h);
  // VMX instructions without VMX: undefined.
  if (reason >= 19 && reason <= 27) {
    h.faultInstead(6, -1);
    return "again";
  }
  return h.internalError(`unexpected exit reason ${reason}`);
}
