/** The processor that a model names, on the silicon there is. */
export { installCpuid } from "../hw/index.ts";
