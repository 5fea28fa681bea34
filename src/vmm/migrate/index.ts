/** Door of migration: a running machine moves from one host to another over any channel. */
export type { Channel, PortLike } from "./channel.ts";
export { channelPair, portChannel } from "./channel.ts";
export { MigrationError } from "./errors.ts";
export type { StopRule } from "./rule.ts";
export type { MigrationResult, PassRow, SourceOptions } from "./source.ts";
export { MigrationSource } from "./source.ts";
export type { TargetOptions, TargetResult } from "./target.ts";
export { MigrationTarget } from "./target.ts";
