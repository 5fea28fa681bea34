// vitrine lab list | lab run NAME [--json] [--predict FILE]
import { readFileSync } from "node:fs";
import { labNames, openLab } from "../labs/index.ts";
import {
  type Cost,
  LabError,
  type LabPlaces,
  type LabResult,
  parsePredictions,
  runLab,
} from "../src/vmm/public.ts";

function cost(c: Cost): string {
  const words = [`${c.references} references`, `${c.exits} exits`];
  if (c.emulated) words.push("emulated");
  if (c.fault) words.push("page fault");
  return words.join(", ");
}

function report(result: LabResult): string {
  const lines = result.rows.map((r) => {
    const own = r.right ? "" : ` (predicted: ${cost(r.predicted)})`;
    return `${r.right ? "right" : "WRONG"}  ${r.place.padEnd(4)}  ${r.id.padEnd(8)}  ${cost(r.measured)}${own}`;
  });
  for (const place of result.missing) lines.push(`       ${place}: not on this machine`);
  return [...lines, `verdict: ${result.verdict}`, `hash: ${result.hash}`, ""].join("\n");
}

function readPredictions(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new LabError(
      file,
      error instanceof SyntaxError ? "is not JSON" : "cannot be read",
      "give a JSON file",
    );
  }
}

/** The subcommand's exit status: 0 when every prediction is right, 2 when one is wrong. */
export async function labCommand(args: readonly string[], places: LabPlaces): Promise<number> {
  const usage = "vitrine lab list, or vitrine lab run NAME [--json] [--predict FILE]";
  const [verb, name, ...options] = args;
  if (verb === "list" && name === undefined) {
    process.stdout.write(labNames.map((n) => `${n}: ${openLab(n).lab.title}\n`).join(""));
    return 0;
  }
  if (verb !== "run" || name === undefined) throw new LabError("lab", args.join(" ") || "nothing", usage);
  let [json, file] = [false, undefined as string | undefined];
  for (let i = 0; i < options.length; i++) {
    if (options[i] === "--json") json = true;
    else if (options[i] === "--predict" && options[i + 1] !== undefined) file = options[++i];
    else throw new LabError("lab", options[i] ?? "", usage);
  }
  const { lab, guest } = openLab(name);
  const predictions =
    file === undefined ? undefined : parsePredictions(readPredictions(file), lab.cases, file);
  const result = await runLab(lab, guest, places, predictions);
  process.stdout.write(json ? `${JSON.stringify(result, null, 2)}\n` : report(result));
  return result.verdict === "pass" ? 0 : 2;
}
