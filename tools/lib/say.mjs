// One voice for every tool: a step is announced, its time is printed, an error is one line with its cure.
import { spawn } from "node:child_process";

const started = performance.now();
let progress = process.stdout;

/** Send progress lines to `stream`: the command keeps its standard output for the guest. */
export function progressTo(stream) {
  progress = stream;
}

/** Seconds since the tool started, as a fixed-width prefix. */
function stamp() {
  return `[${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s]`;
}

/** Print one progress line. */
export function say(text) {
  progress.write(`${stamp()} ${text}\n`);
}

/** Announce a step, run it, print how long it took; the step's return value is passed on. */
export async function step(name, work) {
  say(`${name} ...`);
  const from = performance.now();
  const result = await work();
  say(`${name}: done in ${((performance.now() - from) / 1000).toFixed(1)} s`);
  return result;
}

/** A failure the user can act on: printed as one line, without a stack trace. */
export class ToolError extends Error {}

/** Run `main`; a ToolError becomes one line and exit status 1, anything else keeps its stack trace. */
export async function runTool(main) {
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}

/**
 * Run a program. Resolves to its exit code and output; never rejects for a non-zero code.
 * `echo` passes the output through while it is collected.
 */
export function run(command, args, { cwd, env, echo = false, timeoutMs = 0, encoding = "utf8" } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own, so that a timeout also ends what the program started.
      detached: timeoutMs > 0,
    });
    const out = [];
    const err = [];
    let timedOut = false;
    const timer =
      timeoutMs > 0
        ? setTimeout(() => {
            timedOut = true;
            try {
              process.kill(-child.pid, "SIGKILL");
            } catch {
              child.kill("SIGKILL");
            }
          }, timeoutMs)
        : undefined;
    child.stdout.on("data", (chunk) => {
      out.push(chunk);
      if (echo) process.stdout.write(chunk);
    });
    child.stderr.on("data", (chunk) => {
      err.push(chunk);
      if (echo) process.stderr.write(chunk);
    });
    const finish = (code) => {
      clearTimeout(timer);
      const bytes = Buffer.concat(out);
      const stdout = encoding === "buffer" ? bytes : bytes.toString("utf8");
      resolve({ code, stdout, stderr: Buffer.concat(err).toString("utf8"), timedOut });
    };
    child.on("error", (error) => {
      err.push(Buffer.from(`${command}: ${error.message}\n`));
      finish(127);
    });
    child.on("close", (code) => finish(timedOut ? 124 : (code ?? 1)));
  });
}
