// What run.mjs uses of the spike, for Node 20 as one bundle.
export { tryAll } from "./liftable.ts";
export { measure } from "./measure.ts";
export { readLibrary } from "./wasm.ts";
