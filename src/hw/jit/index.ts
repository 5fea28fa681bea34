// The door of the translator: hot guest code as WebAssembly, made of the interpreter's own compiled bodies.
export { Jit, type JitOptions, type JitStatistics, type Translation } from "./engine.ts";
export { Library } from "./library.ts";
export { serve, Workshop, type WorkshopPort } from "./workshop.ts";
export type { Note, Place } from "./translate.ts";
