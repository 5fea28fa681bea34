/** VT-x behind the arch vector. */
export type { PortAccess, VmxHandlers } from "./exits.ts";
export { VmxVcpu } from "./ops.ts";
