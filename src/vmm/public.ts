/** Door of vmm: what the page, the command line and migration use. */
export type {
  AccelVm,
  DebugRegs,
  DescriptorTable,
  IoBus,
  RegionFlags,
  Regs,
  Segment,
  Sregs,
  Stop,
} from "./accel.ts";
export { KvmAccel, type KvmOptions } from "./accel-kvm.ts";
export type { GuestMemory } from "./memory.ts";
export { BytewiseMemory, readBytes } from "./memory.ts";
export { type Display, userMemorySize } from "./layout.ts";
export type { NamedImage } from "./load/image.ts";
export { LoadError } from "./load/image.ts";
export type { MachineOptions, MachineStop } from "./machine.ts";
export { Machine } from "./machine.ts";
export { Pace } from "./session/pace.ts";
export * from "./migrate/index.ts";
export type { TextScreen } from "./devices/vga.ts";
export { OptionError } from "./optionerror.ts";
export type { ModuleFile, VitrineOptions } from "./options.ts";
export { defaultOptions, parseModules, parseOptions } from "./options.ts";
export * from "./lab/index.ts";
