/** Guest physical memory, as user space sees it. */
export * from "../base/memory.ts";
