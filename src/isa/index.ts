/** The door of `isa`: the manuals as data. */
export type { FlagEffects, Prefix, Row } from "./row.ts";
export { rows } from "./rows.ts";
