import { type AccelVm, encode } from "../../base/index.ts";
import type { Machine } from "../machine.ts";

/** MSRs that a guest sets and no other record holds (SDM, "Model-Specific Registers"). */
const MSRS = [
  0x10, 0x174, 0x175, 0x176, 0x277, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000102, 0xc0000103,
] as const;
const PAGE = 4096;

/** Digest of a whole machine: CPU, devices, and every page of RAM that is not all zero, with its number. */
export async function stateHash(
  vm: AccelVm, machine: Machine, digest: (bytes: Uint8Array) => Promise<Uint8Array>,
): Promise<string> {
  const msrs = vm.msrs(MSRS).map((v) => v ?? null);
  const cpu = encode({
    machine: machine.save(), regs: { ...vm.regs() }, sregs: JSON.stringify(vm.sregs(), plain), xsave: vm.xsave(),
    debug: JSON.stringify(vm.debugRegs(), plain), events: vm.events(), mp: vm.mpState(), msrs,
  });
  const parts: Uint8Array[] = [cpu];
  const page = new Uint8Array(PAGE);
  const words = new Float64Array(page.buffer);
  const wide = new BigUint64Array(page.buffer);
  for (let gpa = 0; gpa < vm.memory.size; gpa += PAGE) {
    vm.memory.read(gpa, page);
    // As floats first: a zero page answers without allocating a bigint for each word.
    if (words.every((w) => w === 0) && wide.every((w) => w === 0n)) continue;
    const record = new Uint8Array(8 + PAGE);
    new DataView(record.buffer).setFloat64(0, gpa);
    record.set(page, 8);
    parts.push(record);
  }
  const whole = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return [...(await digest(whole))].map((b) => b.toString(16).padStart(2, "0")).join("");
}

function plain(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}` : value;
}
