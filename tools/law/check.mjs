// npm run law: checks the imports of the sources against tools/law/rules.mjs.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { at } from "../lib/fingerprint.mjs";
import { runTool, say, ToolError } from "../lib/say.mjs";
import { DEBT, RULES } from "./rules.mjs";

const FOLDERS = ["src", "workers", "bin", "labs", "bench"];

/**
 * Cruise the source folders below `baseDir`. Resolves to the number of modules seen below them and to the
 * violations as "rule: from -> to", debt removed.
 */
export async function checkLaw(baseDir, debt = DEBT) {
  const { cruise } = await import("dependency-cruiser");
  const folders = FOLDERS.filter((name) => existsSync(join(baseDir, name)));
  const { output } = await cruise(folders, {
    baseDir,
    ruleSet: RULES,
    validate: true,
    // Imports of types alone are imports: a layer must not know a higher one's shapes.
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    exclude: { path: "guests/cache" },
  });
  const modules = output.modules.filter(({ source }) =>
    FOLDERS.some((name) => source.startsWith(`${name}/`)),
  );
  const edges = output.summary.violations.map(({ rule, from, to }) => ({
    rule: rule.name,
    edge: `${from} -> ${to}`,
  }));
  const violations = edges
    .filter(({ edge }) => !debt.includes(edge))
    .map(({ rule, edge }) => `${rule}: ${edge}`);
  const stale = debt.filter((entry) => !edges.some(({ edge }) => edge === entry));
  return {
    modules: modules.length,
    violations: [...violations, ...stale.map((entry) => `debt is paid: ${entry}`)],
  };
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await runTool(async () => {
    const { modules, violations } = await checkLaw(at());
    if (modules === 0) throw new ToolError("import law: no module seen; the check is broken");
    if (violations.length > 0) throw new ToolError(violations.join("\n"));
    say(`import law: ${modules} modules, no violation, ${DEBT.length} entries of debt`);
  });
}
