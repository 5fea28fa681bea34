/** The door of `host`: the Linux that KVM lives in. */
export { type ComputerOptions, type DeviceOpen, HostComputer, type Task } from "./computer.ts";
export { FrameAllocator, HUGE, PAGE } from "./frames.ts";
export { type PreemptNotifier, Scheduler, Thread } from "./sched.ts";
export { HostMemory } from "./memory.ts";
export { SwapFile } from "./swap.ts";
export { AddressSpace, type HostPage, type Mapping, type MmuNotifier } from "./mm.ts";
export { endTakingMarks, processorCounters, takeFrameMarks, undefinedInstructions } from "./marks.ts";
