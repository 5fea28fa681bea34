/** VT-x behind the arch vector. */
export type { PortAccess, SecondStageFault, VmxHandlers } from "./exits.ts";
export { VmxVcpu } from "./ops.ts";
