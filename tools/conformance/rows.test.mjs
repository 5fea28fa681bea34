import { expect, test } from "vitest";
import { judge, notRun, parseRows, runLine } from "./rows.mjs";
import { asOnHardware, columns } from "./run.mjs";
import { document } from "./table.mjs";

const text = `# comment
[svm]
file = svm.flat
smp = 2
test_args = "-pause_filter_test -x"
qemu_params = -cpu max,+svm -m 4g
arch = x86_64
groups = svm nodefault

[plain]
file = dummy.flat
timeout = 30
accel = kvm
check = /sys/module/kvm/parameters/enable_pmu=Y
`;

test("rows become lines of the tests' own script", () => {
  const [svm, plain] = parseRows(text);
  expect(runLine(svm)).toBe('./x86/run x86/svm.flat -smp 2 -cpu max,+svm -m 2560 -append "-pause_filter_test -x"');
  expect([runLine(plain), plain.timeout]).toEqual(["./x86/run x86/dummy.flat -smp 1", 30]);
  expect([notRun(svm, { arch: "i386", accel: "tcg" }), notRun(svm, { arch: "x86_64", accel: "tcg" })]).toEqual(["x86_64 only", undefined]);
  expect([notRun(plain, { arch: "i386", accel: "tcg" }), notRun(plain, { arch: "i386", accel: "kvm" })]).toEqual(["kvm only", "asks for kvm/parameters/enable_pmu=Y"]);
});

test.each([
  [0, "SUMMARY: 3 tests\r\n", { result: "pass", detail: "3 tests" }],
  [77, "SUMMARY: 3 tests, 3 skipped", { result: "skip", detail: "SUMMARY: 3 tests, 3 skipped" }],
  [3, "FAIL: x\nSUMMARY: 3 tests, 1 unexpected failures", { result: "fail", detail: "3 tests, 1 unexpected failures" }],
  [124, "", { result: "timeout", detail: "" }],
  [1, 'vitrine: -smp: "99"; too many', { result: "refused", detail: '-smp: "99"; too many' }],
  [127, "Unhandled exception 6 #UD(0) at ip 1", { result: "abort", detail: "Unhandled exception 6 #UD(0) at ip 1" }],
])("exit status %i and its output are %j", (status, output, verdict) => {
  expect(judge(status, output)).toEqual(verdict);
});

test("rows that call a hypervisor are told that there is none, on the bare CPU alone", () => {
  const told = (name) => Object.keys(columns).filter((column) => asOnHardware({ name }, columns[column]));
  expect([told("x2apic"), told("xapic"), told("svm")]).toEqual([["bare"], ["bare"], []]);
});

test("cells of another build than most are marked", () => {
  const cell = (build) => ({ result: "pass", detail: "", build });
  const md = document({ x86_64: { a: { bare: cell("new"), intel: cell("new") }, b: { bare: cell("old"), intel: cell(), qemu: cell() } } });
  expect(md).toContain("Of 4 cells 2 are of one build, new ");
  expect(md).toContain("| a | pass | pass |  |");
  expect(md).toContain("| b | pass° | pass° | pass |");
});

test("the table has a line a row, and says where no cause is written down", () => {
  const cell = (result, detail = "") => ({ result, detail, build: "b" });
  const md = document({ x86_64: { a: { bare: cell("pass"), intel: cell("fail", "1 | 2") }, hyperv_x: { bare: cell("refused"), intel: cell("refused") } } });
  expect(md).toContain("| row | bare | KVM, VT-x, EPT | |");
  expect(md).toContain("| a | pass | **fail** | not looked into: 1 / 2 |");
  expect(md).toContain("| hyperv_x | **refused** | **refused** | Hyper-V enlightenments are not offered |");
  expect(md).toContain("| **passes** | 1 | 0 | |");
});
