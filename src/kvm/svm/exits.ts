import type { ExitHandlers } from "../handlers.ts";
import type { Handled } from "../ops.ts";
import type { SvmVcpu } from "./ops.ts";
import { V } from "./vmcb.ts";

type Handler = (v: SvmVcpu, h: ExitHandlers) => Handled;
const again =
  (act: (v: SvmVcpu, h: ExitHandlers) => void): Handler =>
  (v, h) => {
    act(v, h);
    return "again";
  };
const EFER = 0xc0000080n;
const RAX = 0,
  RCX = 1,
  RDX = 2;

/** "IOIO Intercepts": 31..16 port  6..4 size  2 string  0 IN. */
function io(v: SvmVcpu, h: ExitHandlers): Handled {
  const info = v.vmcb.number(V.EXITINFO1),
    size = (info >>> 4) & 7,
    { port } = v;
  port.port = info >>> 16;
  port.size = size === 1 ? 1 : size === 2 ? 2 : 4;
  port.write = (info & 1) === 0;
  port.string = (info & 4) !== 0;
  return h.portIo(port);
}

/** EFER is not the guest's alone: its SVME must stay set, and the guest must not see it. */
function writeEfer(v: SvmVcpu, h: ExitHandlers): void {
  const value = (v.register(RAX) & 0xffffffffn) | ((v.register(RDX) & 0xffffffffn) << 32n);
  if (v.writeEfer(value)) v.skip();
  else h.faultInstead(13, 0);
}
function msr(v: SvmVcpu, h: ExitHandlers): void {
  if (v.vmcb.number(V.EXITINFO1) === 0) h.instructions.readMsr();
  else if ((v.register(RCX) & 0xffffffffn) === EFER) writeEfer(v, h);
  else h.instructions.writeMsr();
}
function cr8(v: SvmVcpu, h: ExitHandlers): void {
  const write = v.vmcb.number(V.EXITCODE) === 0x18,
    register = v.vmcb.number(V.EXITINFO1) & 15;
  h.trace(8, write, v.register(register));
  h.instructions.cr8(write, register);
}
/** With shadow paging the paging registers are virtual: reads give the guest's own. SMSW, which may write memory, is the emulator's. */
function readRegister(v: SvmVcpu, h: ExitHandlers): Handled {
  const cr = v.vmcb.number(V.EXITCODE) & 15,
    info = v.vmcb.read(V.EXITINFO1);
  if (info >> 63n === 0n) return h.emulate();
  const value = v.control(cr === 0 ? 0 : cr === 3 ? 3 : 4),
    register = Number(info & 15n);
  v.setRegister(register, v.in64Bit ? value : value & 0xffffffffn);
  h.trace(cr, false, value);
  v.skip();
  return "again";
}
function writeCr3(v: SvmVcpu, h: ExitHandlers): Handled {
  const value = v.register(v.vmcb.number(V.EXITINFO1) & 15);
  if (!v.writeCr3(v.in64Bit ? value : value & 0xffffffffn)) {
    h.faultInstead(13, 0);
    return "again";
  }
  h.trace(3, true, value);
  v.skip();
  return "again";
}
function invalidatePage(v: SvmVcpu): void {
  const la = v.vmcb.read(V.EXITINFO1);
  v.shadow?.invalidatePage(Number(la & 0xffffffffn), Number(la >> 32n));
  v.skip();
}
/** A page fault: of the guest's tables, or of their shadow. */
function pageFault(v: SvmVcpu, h: ExitHandlers): Handled {
  const la = v.vmcb.read(V.EXITINFO2);
  return h.shadowFault(Number(la & 0xffffffffn), Number(la >> 32n), v.vmcb.number(V.EXITINFO1));
}
const emulate: Handler = (_, h) => h.emulate();

/** The guest-physical address; of the linear one the processor says nothing. */
function nestedPageFault(v: SvmVcpu, h: ExitHandlers): Handled {
  const info = v.vmcb.number(V.EXITINFO1),
    { fault } = v;
  fault.gpa = v.vmcb.number(V.EXITINFO2) + v.vmcb.number(V.EXITINFO2 + 4) * 0x100000000;
  fault.write = (info & 2) !== 0;
  fault.fetch = (info & 16) !== 0;
  fault.code = info;
  return h.pageFault(fault);
}
const undefinedOpcode = again((_, h) => h.faultInstead(6, -1));

/** By exit code ("SVM Intercept Exit Codes"). */
const handlers: ReadonlyMap<number, Handler> = new Map([
  [0x00, readRegister],
  [0x03, readRegister],
  [0x04, readRegister],
  [0x13, writeCr3],
  [0x14, emulate],
  [0x10, emulate],
  [0x4e, pageFault],
  [0x79, again(invalidatePage)],
  [
    0xa2,
    (v, h) => {
      v.shadow?.flush();
      return h.emulate();
    },
  ],
  [0x08, again(cr8)],
  [0x18, again(cr8)],
  [0x46, (_, h) => h.undefinedOpcode()],
  [0x60, again(() => {})], // physical interrupt: the host's own, already served
  [0x63, again((_, h) => h.initSignal())],
  [0x64, again((v) => v.interruptWindow(false))],
  [0x72, again((_, h) => h.instructions.cpuid())],
  [
    0x74,
    again((v, h) => {
      v.nmiHandled();
      h.uncount();
    }),
  ],
  [0x76, again((v) => v.skip())], // INVD
  [
    0x77,
    (v, h) => {
      v.growPauseFilter();
      v.skip();
      return h.spin();
    },
  ],
  [0x78, again((_, h) => h.instructions.halt())],
  [0x7b, io],
  [0x7c, again(msr)],
  [0x7d, (_, h) => h.taskSwitch()],
  [0x7f, (_, h) => h.shutdown()],
  // INT1: of the #DB that it makes nobody could say whether it is a trap's, were its delivery to exit.
  [0x88, emulate],
  [0x8d, again((_, h) => h.instructions.setXcr())],
  [0x400, nestedPageFault],
  [0x81, again((_, h) => h.hypercall())],
  // SVM instructions without SVM.
  ...[0x7a, 0x80, 0x82, 0x83, 0x84, 0x85].map((code): [number, Handler] => [code, undefinedOpcode]),
]);

export function handleExit(v: SvmVcpu, h: ExitHandlers): Handled {
  const code = v.vmcb.number(V.EXITCODE),
    handler = handlers.get(code);
  return handler ? handler(v, h) : h.internalError(`unexpected exit code ${code.toString(16)}`);
}
