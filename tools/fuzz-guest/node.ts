// What the tool of this folder uses of the sources, for Node 20 as one bundle.
export { engines } from "../engines/engines.ts";
export { compare, trail } from "./compare.ts";
export { bounds, fuzz } from "./harness.ts";
