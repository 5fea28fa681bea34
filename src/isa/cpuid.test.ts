import { expect, test } from "vitest";
import { absentFeatures, cpuidFeature, cpuidHas, parseCpu } from "./cpuid.ts";
import { msrName, msrs } from "./msr.ts";
import { rows } from "./rows.ts";

const has = (cpu: string, feature: string) => cpuidHas(parseCpu(cpu).leaves, feature);

test("the vitrine model announces x86-64-v2 and VT-x and nothing beyond SSE4.2", () => {
  const v2 =
    "fpu cx8 cmov mmx fxsr sse sse2 lm syscall cx16 lahf_lm popcnt sse3 ssse3 sse4_1 sse4_2 xsave vmx movbe".split(
      " ",
    );
  expect(v2.filter((f) => !has("vitrine", f))).toEqual([]);
  expect(
    ["avx", "avx2", "bmi1", "hypervisor", "svm", "aes", "osxsave"].filter((f) => has("vitrine", f)),
  ).toEqual([]);
});

test("qemu64 is an AMD with SVM and a hypervisor bit, pentium3 has neither long mode nor SSE2", () => {
  expect(parseCpu("qemu64").leaves.find((l) => l.leaf === 1)).toMatchObject({ eax: 0x60fb1, edx: 0x78bfbfd });
  expect(has("qemu64", "svm") && has("qemu64", "hypervisor") && has("qemu64", "nx")).toBe(true);
  expect(has("pentium3", "lm") || has("pentium3", "sse2")).toBe(false);
});

test("plus, minus and key=value edit the leaves", () => {
  const cpu = parseCpu(
    "qemu64,+vmx,-svm,hypervisor=off,vendor=GenuineIntel,kvm=off,family=6,model=58,stepping=9",
  );
  expect(cpuidHas(cpu.leaves, "vmx")).toBe(true);
  expect(cpuidHas(cpu.leaves, "svm") || cpuidHas(cpu.leaves, "hypervisor")).toBe(false);
  expect(cpu.kvm).toBe(false);
  expect(cpu.leaves.find((l) => l.leaf === 0)).toMatchObject({
    ebx: 0x756e6547,
    edx: 0x49656e69,
    ecx: 0x6c65746e,
  });
  expect(cpu.leaves.find((l) => l.leaf === 1)?.eax).toBe(0x306a9);
});

test("vitrine-amd is the vitrine model by AMD; features asked for by name are listed", () => {
  const cpu = parseCpu("vitrine-amd,+svm,-npt,+rdseed,-rdseed");
  expect(cpu.asked).toEqual(["svm"]);
  expect(["svm", "nrip_save", "decodeassists", "vgif", "nx", "lm"].filter((f) => !cpuidHas(cpu.leaves, f))).toEqual([]);
  expect(["vmx", "npt", "lbrv", "avic"].filter((f) => cpuidHas(cpu.leaves, f))).toEqual([]);
  expect(cpu.leaves.find((l) => l.leaf === 0)).toMatchObject({ ebx: 0x68747541, edx: 0x69746e65, ecx: 0x444d4163 });
});

test("an unknown model, feature or value is refused by name", () => {
  expect(() => parseCpu("z80")).toThrow(/z80/);
  expect(() => parseCpu("qemu64,+warp")).toThrow(/warp/);
  expect(() => parseCpu("qemu64,vmx=maybe")).toThrow(/maybe/);
  expect(() => parseCpu("qemu64,vendor=Me")).toThrow(/12 characters/);
});

test("every feature word of a row is a CPUID feature", () => {
  const plain = new Set(
    "i64 o64 d64 f64 cpl0 iopl umip noreal lock rep repz end alias norexb asz fpu fpunw align".split(" "),
  );
  const unknown = new Set(
    rows.flatMap((r) => [...r.attributes]).filter((a) => !plain.has(a) && !cpuidFeature(a)),
  );
  expect([...unknown]).toEqual([]);
});

test("MSR numbers are unique and unknown ones print as hexadecimal", () => {
  expect(new Set(msrs.map((m) => m.number)).size).toBe(msrs.length);
  expect(msrName(0xc0000080)).toBe("IA32_EFER");
  expect(msrName(0x1234)).toBe("0x1234");
});

test("every feature of max is one that the silicon has, of either vendor", () => {
  for (const vendor of ["intel", "amd"] as const) {
    const { leaves } = parseCpu("max", vendor);
    expect(absentFeatures.filter((name) => cpuidHas(leaves, name) && name !== "tsc_scale")).toEqual([]);
    expect(["x2apic", "tsc_deadline", "pcid", "invpcid", "umip", "smap", "smep", "rdseed", "xsavec"].filter((name) => !cpuidHas(leaves, name))).toEqual([]);
  }
});

test("a feature that no silicon has may be left out by name, and cannot be asked for", () => {
  expect(parseCpu("max,-pku,-rdtscp,-vmx-mbec,host-phys-bits,migratable=no").asked).toEqual([]);
  expect(() => parseCpu("max,+la57")).toThrow(/\+la57; the silicon does not have it/);
  expect(parseCpu("IvyBridge,phys-bits=36").leaves.find((l) => l.leaf === 0x80000008)?.eax).toBe(0x3024);
});
