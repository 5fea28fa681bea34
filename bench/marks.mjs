// Runs one engine as a program whose standard output carries the guest's serial port, and takes the wall time
// at which each mark comes by.
import { spawn } from "node:child_process";
import { DONE } from "./suites.mjs";

/** A program that has to start a browser first prints this when the guest starts: BOOTED then counts from here. */
export const READY = "ENGINE-READY";

/** Collects whole lines from chunks and remembers when each of the suite's marks was first seen. */
export function markWatcher(suite, now) {
  const marks = [READY, DONE, ...new Set(Object.values(suite).flatMap(([from, to]) => [from, to]))].filter((mark) => mark !== undefined);
  const seen = {};
  let line = "";
  return {
    seen,
    /** True when the last mark has come by. */
    feed(text) {
      for (const character of text) {
        if (character !== "\n") {
          // A guest that never ends a line must not fill our memory.
          if (line.length < 4096) line += character;
          continue;
        }
        const mark = marks.find((name) => line.startsWith(name));
        if (mark !== undefined) seen[mark] ??= now();
        line = "";
      }
      return DONE in seen;
    },
  };
}

/** Seconds per column from mark times in seconds; a column whose marks are missing is absent. */
export function columns(suite, seen) {
  const result = {};
  for (const [name, [from, to, passes]] of Object.entries(suite)) {
    if (seen[to] === undefined || (from !== undefined && seen[from] === undefined)) continue;
    result[name] = (seen[to] - (from === undefined ? (seen[READY] ?? 0) : seen[from])) / passes;
  }
  return result;
}

/** Start the engine and wait for the last mark, its end, or the time limit. */
export function timeMarks({ command, args, env }, suite, limitSeconds) {
  return new Promise((resolve) => {
    const started = performance.now();
    const watcher = markWatcher(suite, () => (performance.now() - started) / 1000);
    const child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let complaint = "";
    let timedOut = false;
    // A program that has started a browser takes it along when it is asked to end.
    const end = () => {
      child.kill("SIGTERM");
      setTimeout(() => child.kill("SIGKILL"), 5000).unref();
    };
    const timer = setTimeout(() => {
      timedOut = true;
      end();
    }, limitSeconds * 1000);
    child.stdout.on("data", (chunk) => {
      if (watcher.feed(chunk.toString("latin1"))) end();
    });
    child.stderr.on("data", (chunk) => {
      complaint = (complaint + chunk).slice(-2000);
    });
    child.on("error", (error) => {
      complaint = error.message;
    });
    child.on("close", () => {
      clearTimeout(timer);
      const done = DONE in watcher.seen;
      const error = timedOut ? `not done within ${limitSeconds} s` : complaint.trim().split("\n").at(-1);
      resolve({ seconds: columns(suite, watcher.seen), error: done ? undefined : error || "ended early" });
    });
  });
}
