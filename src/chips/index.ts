/** Door of chips: the chipset, written once for the in-kernel irqchip and the bare machine. */
export { ApicBus, DeliveryMode, Shorthand } from "./apic-bus.ts";
export type { ApicMessage } from "./apic-bus.ts";
export { BootDevice, bootBytes, Cmos, memoryBytes } from "./cmos.ts";
export { Hpet } from "./hpet.ts";
export type { HpetOptions } from "./hpet.ts";
export { I8254, pitHz } from "./i8254.ts";
export { I8259 } from "./i8259.ts";
export { Ioapic, ioapicPins } from "./ioapic.ts";
export { defaultRoutes, GsiSource, Irqchip, maxCpus, maxGsis } from "./irqchip.ts";
export type { CpuSignals, GsiRoute, IrqchipOptions } from "./irqchip.ts";
export { Lapic, LapicReg } from "./lapic.ts";
export type { LapicOptions, LapicSignals } from "./lapic.ts";
export { LapicTimer, TimerMode } from "./lapic-timer.ts";
export { Mc146818 } from "./mc146818.ts";
export { ticksAt, timeOf } from "./rate.ts";
