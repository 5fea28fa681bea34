/** Test entry: both hashes as exports of one module. */
export * from "./sha256";
export * from "./crc32c";
