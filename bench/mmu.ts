// What bench/mmu.mjs uses of the sources, for Node 20 as one bundle.
export { guestImages } from "../guests/build.ts";
export { parseCpu } from "../src/isa/index.ts";
export { exitCost, pagingWork, parseParams, walkCost } from "../src/kvm/uapi.ts";
export { KvmAccel, Machine, userMemorySize } from "../src/vmm/public.ts";
