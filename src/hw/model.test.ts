import { expect, test } from "vitest";
import { cpuidHas, parseCpu } from "../isa/index.ts";
import { offeredLeaves } from "./index.ts";

// -cpu argument: svm, npt, lbrv offered?
const rows: readonly (readonly [string, boolean, boolean])[] = [
  ["qemu64", false, false],
  ["qemu64,+svm", true, false],
  ["qemu64,+svm,+npt", true, true],
  ["vitrine-amd", false, false],
  ["vitrine-amd,+svm", true, true],
  ["vitrine-amd,+svm,-npt", true, false],
  ["vitrine-amd,+svm,+vmx", false, false],
  ["vitrine,+svm", false, false],
];
test.each(rows)("%s offers SVM %s and nested paging %s, and never what the silicon lacks", (argument, svm, npt) => {
  const leaves = offeredLeaves(parseCpu(argument));
  expect([cpuidHas(leaves, "svm"), cpuidHas(leaves, "npt"), cpuidHas(leaves, "lbrv")]).toEqual([svm, npt, false]);
});
