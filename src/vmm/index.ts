/** Second door of vmm: the session that hosts one machine for a page. */
export { MachineSession, type SessionHost } from "./session/session.ts";
export type { Counters, ExitRecord, ExitView } from "../base/index.ts";
export type { TextScreen } from "./devices/vga.ts";
export type * from "./session/protocol.ts";
export type { PassRow, StopRule } from "./migrate/index.ts";
export type { PagingMode, Reference, TableRow, TableView, Walk } from "./session/paging.ts";
export { observeKvm } from "./session/observe-kvm.ts";
