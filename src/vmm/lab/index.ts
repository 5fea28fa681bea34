/** Labs: a guest, questions about what it costs, and the machine's own answer. */
export type { Cost, Lab, LabCase, Place, Predictions } from "./lab.ts";
export { LabError, parseLab, parsePredictions, places } from "./lab.ts";
export type { LabPlaces, LabResult, LabRow, MeteredVm } from "./run.ts";
export { runLab } from "./run.ts";
