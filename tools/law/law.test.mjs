import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { checkLaw } from "./check.mjs";

const made = [];

/** A project folder with the given files, each holding one import of each of its targets. */
function project(files) {
  const folder = mkdtempSync(join(tmpdir(), "vitrine-law-"));
  made.push(folder);
  for (const [path, imports] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    const lines = imports.map(
      (target, index) => `import * as m${index} from "${target}"; console.log(m${index});`,
    );
    writeFileSync(join(folder, path), `${lines.join("\n")}\nexport const here = 1;\n`);
  }
  return folder;
}

afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true });
});

const LAWFUL = {
  "src/base/bits.ts": [],
  "src/isa/index.ts": ["../base/bits.ts"],
  "src/hw/index.ts": ["../isa/index.ts", "./inner.ts"],
  "src/hw/inner.ts": [],
  "src/kvm/uapi.ts": ["../hw/index.ts"],
  "src/vmm/public.ts": ["../kvm/uapi.ts"],
};

test("lawful imports pass and every module is seen", async () => {
  expect(await checkLaw(project(LAWFUL), [])).toEqual({ modules: 6, violations: [] });
});

test.each([
  ["an upward import", "src/base/bad.ts", "../vmm/public.ts", "base-imports-downwards"],
  ["an import past the door", "src/kvm/bad.ts", "../hw/inner.ts", "through-the-door"],
  ["silicon in the machine", "src/vmm/bad.ts", "../hw/index.ts", "vmm-sees-no-silicon"],
  ["a layer's neighbour", "src/tcg/bad.ts", "../kvm/uapi.ts", "tcg-imports-downwards"],
  ["SVM in VMX", "src/kvm/vmx/bad.ts", "../svm/bad.ts", "vmx-is-not-svm"],
  ["VMX in SVM", "src/hw/svm/bad.ts", "../vmx/bad.ts", "svm-is-not-vmx"],
  ["a worker past the door", "workers/bad.ts", "../src/hw/inner.ts", "outside-through-the-door"],
])("%s is found", async (_, from, to, rule) => {
  const target = join(dirname(from), to);
  const folder = project({ ...LAWFUL, [target]: LAWFUL[target] ?? [], [from]: [to] });
  const { violations } = await checkLaw(folder, []);
  expect(violations).toContain(`${rule}: ${from} -> ${target}`);
});

test("a type-only upward import is found", async () => {
  const folder = project(LAWFUL);
  writeFileSync(
    join(folder, "src/base/bad.ts"),
    'import type { here } from "../vmm/public.ts";\nexport type T = typeof here;\n',
  );
  const { violations } = await checkLaw(folder, []);
  expect(violations).toEqual(
    ["base-imports-downwards: src/base/bad.ts -> src/vmm/public.ts", expect.any(String)].slice(
      0,
      violations.length,
    ),
  );
  expect(violations.length).toBeGreaterThan(0);
});

test("debt that is still owed is tolerated, debt that is paid is reported", async () => {
  const folder = project({ ...LAWFUL, "src/kvm/bad.ts": ["../hw/inner.ts"] });
  expect((await checkLaw(folder, ["src/kvm/bad.ts -> src/hw/inner.ts"])).violations).toEqual([]);
  expect((await checkLaw(project(LAWFUL), ["src/kvm/bad.ts -> src/hw/inner.ts"])).violations).toHaveLength(1);
});
