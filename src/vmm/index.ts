/** Second door of vmm: the session that hosts one machine for a page. */
export { MachineSession, type SessionHost } from "./session/session.ts";
export type { Counters, ExitRecord, ExitView } from "../base/index.ts";
export type { TextScreen } from "./devices/vga.ts";
export type { Band, ScreenUpdate } from "./devices/monitor.ts";
export type { StampedInput } from "./session/inputlog.ts";
export type * from "./session/protocol.ts";
export type { PassRow, StopRule } from "./migrate/index.ts";
export type { EptWalk } from "./session/ept.ts";
export type { NestedRow, Step, Translation } from "./session/nested.ts";
export type { PagingMode, Reference, Walk } from "./session/paging.ts";
export type { Stage, TableRow, TableView } from "./session/tables.ts";
export { observeKvm } from "./session/observe-kvm.ts";
