// What bench/exits.mjs uses of the sources, for Node 20 as one bundle.
export { assemble, parseCpu } from "../src/isa/index.ts";
export { KvmAccel, Machine, userMemorySize } from "../src/vmm/public.ts";
