// What the tool of this folder uses of the sources, for Node 20 as one bundle.
export { differences, engines, guestPresent, guests, hashes, open } from "./engines.ts";
