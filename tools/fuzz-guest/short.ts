// The short form of `npm run fuzz:guest`: two files of tests, so that two processors share the engines.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { engines } from "../engines/engines.ts";
import { fuzz } from "./harness.ts";

const INSTRUCTIONS = 50_000_000;
export const core = new WebAssembly.Module(readFileSync(new URL("../../build/core.wasm", import.meta.url)));

/** The wild mode on each of the engines. */
export function testWild(names: readonly string[]): void {
  test.each(names)("%s: 50 million instructions of a guest that does everything wrong leave the host consistent", { timeout: 600_000 }, async (name) => {
    const engine = engines.find((e) => e.name === name);
    if (!engine) throw new Error(`no engine ${name}`);
    const r = await fuzz(core, engine, { mode: "wild", seed: 1, instructions: INSTRUCTIONS });
    expect([name, r.wrong]).toEqual([name, []]);
    expect(r.instructions).toBeGreaterThanOrEqual(INSTRUCTIONS);
    // It does get about: all kinds of ends, and hardly a life without many steps.
    expect(r.steps / r.resets).toBeGreaterThan(300);
    expect(Object.keys(r.ends)).toEqual(expect.arrayContaining(["shutdown", "reset", "debug-exit"]));
  });
}
