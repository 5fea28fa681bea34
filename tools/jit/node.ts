// What the tools of this folder use of the sources, for Node 20 as one bundle.
export { parseCpu } from "../../src/isa/index.ts";
export { Core, Jit, layout, serve, Workshop } from "../../src/hw/index.ts";
export { CODE, createCore, DATA, load, snapshot, translated } from "../../src/hw/jit/fixture.ts";
export { TcgVm } from "../../src/tcg/index.ts";
export { KvmAccel, Machine, userMemorySize } from "../../src/vmm/public.ts";
