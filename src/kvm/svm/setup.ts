import type { HostComputer } from "../../host/index.ts";
import { layout } from "../../hw/index.ts";

/** MSRs that the guest reads and writes itself: VMLOAD's, the bases, the PAT. EFER exits, for its SVME. */
const PASSED = [
  0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103, 0x174, 0x175,
  0x176, 0x277, 0x1d9,
];
const PAGE = 4096;

/** `count` neighbouring frames, on whose neighbourhood the frame allocator makes no promise: the first run that turns up. */
function run(host: HostComputer, count: number): number {
  let first = host.frames.frame(),
    last = first;
  const spare: number[] = [];
  while (last - first < (count - 1) * PAGE) {
    const next = host.frames.frame();
    if (next === last + PAGE) last = next;
    else {
      for (let at = first; at <= last; at += PAGE) spare.push(at);
      first = last = next;
    }
  }
  for (const at of spare) host.frames.free(at);
  return first;
}

/** I/O permission map: every port exits. MSR permission map: two bits an MSR, everything exits but PASSED. */
export function permissionMaps(host: HostComputer): { readonly io: number; readonly msr: number } {
  const io = run(host, 3),
    msr = run(host, 2);
  host.memory.write(io, new Uint8Array(3 * PAGE).fill(0xff));
  const bits = new Uint8Array(2 * PAGE).fill(0xff);
  for (const index of PASSED) {
    const at = (index >= 0xc0000000 ? 0x800 : 0) + ((index & 0x1fff) >> 2);
    bits[at] = (bits[at] ?? 0) & ~(3 << ((index & 3) * 2));
  }
  host.memory.write(msr, bits);
  return { io, msr };
}

/** Host save areas of the CPUs. */
const areas = new WeakMap<HostComputer, number[]>();

/** hardware_enable: the processor in the mode of the host's kernel, with SVM on. */
export function becomeHost(host: HostComputer, root: number): void {
  const { core } = host,
    all = areas.get(host) ?? [],
    cpu = core.exports.selectedCpu();
  areas.set(host, all);
  const area = all[cpu] ?? host.frames.frame();
  all[cpu] = area;
  core.exports.svmBecomeHost(BigInt(area));
  core.u64[layout.CR3 / 8] = BigInt(root);
  // The host's interrupts are open: that is how it gets the processor back from a guest.
  core.u32[layout.EFLAGS / 4] = 0x202;
  core.exports.updateMode();
}
