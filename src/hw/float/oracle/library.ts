/** Test entry: every function of the numeric libraries as an export of one module. */
export * from "../f80";
export * from "../sse";
