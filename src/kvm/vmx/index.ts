/** VT-x behind the arch vector. */
export { VmxVcpu } from "./ops.ts";
