// asc for the stencils: the two questions that an access asks the fast TLB become imports, so that they stay calls, and the
// splicer can answer them in its own way (src/hw/jit/probes.ts).
import { readFileSync } from "node:fs";
import asc from "assemblyscript/asc";

const ACCESS = "src/hw/mmu/access.ts";
const INTRINSIC = /@inline export function (missesSpan|hostOf)(\(.*?\): \w+) \{(?:.*\}\n|\n(?: {2}.*\n)*\}\n)/g;

function readFile(name) {
  let text;
  try {
    text = readFileSync(name, "utf8");
  } catch {
    return null;
  }
  if (name !== ACCESS) return text;
  let found = 0;
  const changed = text.replace(INTRINSIC, (_, intrinsic, signature) => {
    found++;
    return `@external("probe", "${intrinsic}") export declare function ${intrinsic}${signature};\n`;
  });
  if (found !== 2) throw new Error(`${ACCESS} has ${found} of 2 intrinsics`);
  return changed;
}

const { error, stderr } = await asc.main(process.argv.slice(2), { readFile });
process.stderr.write(stderr.toString());
process.exitCode = error ? 1 : 0;
