import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { AccelVm, IoBus } from "../base/index.ts";
import { encode } from "../base/index.ts";
import { parseCpu } from "../isa/index.ts";
import { TcgVm } from "../tcg/index.ts";
import { KvmAccel } from "./accel-kvm.ts";

const MB = 1024 * 1024;
const wasm = new WebAssembly.Module(readFileSync(fileURLToPath(new URL("../../build/core.wasm", import.meta.url))));
const settings = { module: wasm, ramSize: 8 * MB, userMemory: 8 * MB, cpu: parseCpu("qemu64,kvm=off,-hypervisor") };

interface Log { readonly vm: AccelVm; readonly events: string[] }

/** A machine whose bus writes down every access with its time; reads answer 5Ah, or the offset for memory. */
function prepare(vm: AccelVm, code: readonly number[], at = 0x1000): Log {
  const events: string[] = [];
  const bus: IoBus = {
    portRead: (port, size) => { events.push(`${vm.clock.now()} in ${port.toString(16)}/${size}`); return 0x5a; },
    portWrite: (port, size, v) => { events.push(`${vm.clock.now()} out ${port.toString(16)}/${size} ${v.toString(16)}`); },
    mmioRead: (gpa, size) => { events.push(`${vm.clock.now()} load ${gpa.toString(16)}/${size}`); return BigInt.asUintN(8 * size, 0x8877665544332211n); },
    mmioWrite: (gpa, size, v) => { events.push(`${vm.clock.now()} store ${gpa.toString(16)}/${size} ${v.toString(16)}`); },
  };
  vm.attach(bus);
  vm.setRegion(0, 0, 0xa0000, 0, {});
  vm.setRegion(1, MB, 7 * MB, MB, {});
  vm.memory.write(at, Uint8Array.from(code));
  const s = vm.sregs();
  vm.setSregs({ ...s, cs: { ...s.cs, selector: 0, base: 0n }, ds: { ...s.ds, selector: 0, base: 0n } });
  vm.setRegs({ ...vm.regs(), rip: BigInt(at), rsp: 0x8000n });
  return { vm, events };
}

async function both(code: readonly number[], until: number): Promise<{ tcg: Log; kvm: Log; stops: string[] }> {
  const tcg = prepare(await TcgVm.create(settings), code), kvm = prepare(await KvmAccel.create(settings), code);
  const stops = [tcg, kvm].map(({ vm }) => JSON.stringify(vm.run(until)));
  return { tcg, kvm, stops };
}

function state(vm: AccelVm): unknown {
  return {
    t: vm.clock.now(), regs: vm.regs(), sregs: vm.sregs(), debug: vm.debugRegs(), xsave: Buffer.from(vm.xsave()).toString("hex"), events: vm.events(), mp: vm.mpState(),
    msrs: vm.msrs([0x10, 0x1b, 0x3b, 0x174, 0x277, 0x1a0, 0xc0000080, 0xc0000081, 0xc0000100, 0xc0000102]), saved: Buffer.from(encode(vm.save())).toString("hex"),
  };
}

test("a real-mode program that halts ends in the same state and at the same t as on the bare machine", async () => {
  // mov ax,1234h; mov [2000h],ax; cpuid; rdtsc; hlt
  const { tcg, kvm, stops } = await both([0xb8, 0x34, 0x12, 0xa3, 0x00, 0x20, 0x0f, 0xa2, 0x0f, 0x31, 0xf4], 1000);
  expect(stops).toEqual(['{"kind":"budget"}', '{"kind":"budget"}']);
  expect(state(kvm.vm)).toEqual(state(tcg.vm));
  expect(kvm.vm.memory.readU16(0x2000)).toBe(0x1234);
  expect(kvm.vm.mpState()).toBe("halted");
});
