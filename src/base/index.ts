/** Door of base: what every other layer may use. */
export type { Alarm, Clock } from "./clock.ts";
export { VirtualClock } from "./clock.ts";
export type { Persist, Saved } from "./persist.ts";
export { decode, encode } from "./persist.ts";
export { SavedRecord } from "./saved.ts";
export { StateError, VitrineError } from "./errors.ts";
export type { IrqLine, MmioDevice, MmioSize, MmioValue, PortDevice, PortSize } from "./bus.ts";
export { mmioValue, unconnected } from "./bus.ts";
export { PackedRing } from "./ring.ts";
export {
  bit,
  countBits,
  field,
  fromBcd,
  highestBit,
  lowestBit,
  setAdd,
  setDelete,
  setHas,
  setHighest,
  toBcd,
  truncate,
  u32,
  withBit,
} from "./bits.ts";
export type {
  AccelVm, DebugRegs, DescriptorTable, IoBus, Regs, RegionFlags, Segment, Sregs, Stop, UserMemory,
} from "./accel.ts";
export { flatSegment, zeroRegs } from "./accel.ts";
export { restoreCpu, saveCpu, savedMsrs } from "./cpustate.ts";
export { QUANTUM, Turns } from "./turns.ts";
export type { GuestMemory } from "./memory.ts";
export { ArrayMemory, BytewiseMemory, readBytes } from "./memory.ts";
export type {
  Counters, ExitRecord, ExitView, Observer, SecondStage, UndefinedInstruction, UndefinedInstructions,
} from "./observer.ts";
export { Mark } from "./observer.ts";
