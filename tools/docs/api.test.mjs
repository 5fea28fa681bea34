import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { at } from "../lib/fingerprint.mjs";
import { apiText, OUTPUT, readTable, signatures } from "./api.mjs";

test("docs/kvm-api.md is what the source says now", async () => {
  expect(readFileSync(at(OUTPUT), "utf8"), "run `npm run docs:api`").toBe(await apiText());
});

test("every public method behind the file descriptors is a call with a text, or listed as none", async () => {
  const { apiCalls, notCalls } = await readTable();
  for (const [type, methods] of Object.entries(signatures())) {
    const told = apiCalls.filter((c) => c.type === type).flatMap((c) => c.methods);
    expect([...methods.keys()].filter((name) => !told.includes(name) && !notCalls[type].includes(name)), type).toEqual([]);
    expect(told.filter((name) => !methods.has(name)), type).toEqual([]);
  }
  for (const { ioctl, text, parameters, returns } of apiCalls) expect([text, parameters, returns].every((s) => s.length > 0), ioctl).toBe(true);
});

test("every ioctl that an error names is a call, and each errno it throws is in its table", async () => {
  const { apiCalls } = await readTable();
  const thrown = ["src/kvm/vm.ts", "src/kvm/system.ts", "src/kvm/memslots.ts", "src/kvm/x86/state.ts"].flatMap((file) =>
    [...readFileSync(at(file), "utf8").matchAll(/new KvmError\(\s*"(\w+)",\s*"(KVM_\w+)"/g)].map(([, errno, ioctl]) => [ioctl, errno]));
  expect(thrown.length).toBeGreaterThan(10);
  const missing = thrown.filter(([ioctl, errno]) => {
    const call = apiCalls.find((c) => c.ioctl === ioctl);
    return ioctl.startsWith("KVM_CAP_") || ioctl === "KVM_GET_IRQCHIP" ? false : !call?.errors.some(([name]) => name === errno);
  });
  expect(missing).toEqual([]);
});
