import type { HostComputer } from "../../host/index.ts";
import { type CoreExports, layout } from "../../hw/index.ts";
import { KvmError } from "../errno.ts";
import { CAPABILITY } from "./fields.ts";

/** Controls wanted, adjusted to what the capability MSR requires and allows ("Reserved Controls and Default Settings"). */
export function controls(x: CoreExports, kind: keyof typeof CAPABILITY, wanted: number): number {
  const capability = BigInt.asUintN(64, x.vmxCapability(CAPABILITY[kind]));
  const required = Number(capability & 0xffffffffn),
    allowed = Number(capability >> 32n);
  if ((wanted & ~allowed) !== 0)
    throw new KvmError(
      "EINVAL",
      "VMX",
      `control ${kind} lacks ${((wanted & ~allowed) >>> 0).toString(16)}`,
      "use a processor that has it",
    );
  return (wanted | required) >>> 0;
}

/** VMXON regions of the CPUs. */
const regions = new WeakMap<HostComputer, number[]>();

/** hardware_enable: the processor in the mode of the host's kernel, and in VMX operation. */
export function enterVmxOperation(host: HostComputer, root: number): void {
  const x = host.core.exports;
  const all = regions.get(host) ?? [],
    cpu = x.selectedCpu();
  regions.set(host, all);
  let region = all[cpu];
  if (region === undefined) {
    region = host.frames.frame();
    host.memory.write32(region, Number(x.vmxCapability(0x480) & 0x7fffffffn));
    all[cpu] = region;
  }
  if (x.vmxOperation() !== 0) x.vmxOff();
  x.vmxBecomeHost();
  host.core.u64[layout.CR3 / 8] = BigInt(root);
  x.updateMode();
  const result = x.vmOn(BigInt(region));
  if (result !== 0)
    throw new KvmError("EBUSY", "VMXON", `error ${result}`, "enable VT-x in IA32_FEATURE_CONTROL");
}

/** MSR bitmap: everything exits but these. */
export function passThrough(host: HostComputer, bitmap: number, indices: readonly number[]): void {
  const bits = new Uint8Array(4096).fill(0xff);
  for (const index of indices) {
    const at = (index >= 0xc0000000 ? 0x400 : 0) + ((index & 0x1fff) >> 3);
    for (const half of [0, 0x800]) bits[half + at] = (bits[half + at] ?? 0) & ~(1 << (index & 7));
  }
  host.memory.write(bitmap, bits);
}
