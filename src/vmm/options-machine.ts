import { oneOf, OptionError, quote, split } from "./optionerror.ts";

/** What -machine, -accel and the options that stand for one of their properties decide. */
export interface MachineSettings {
  accel: "kvm" | "tcg";
  /** Hot guest code is translated; -accel kvm|tcg,jit=off leaves all to the interpreter. */
  jit: boolean;
  /** Entries of each vCPU's ring of dirty pages (-accel kvm,dirty-ring-size=N); 0: dirty pages come in bitmaps. */
  dirtyRing: number;
  /** Where the interrupt chips live under KVM: in the kernel, in user space, or the local APIC alone in the kernel. */
  kernelIrqchip: "on" | "off" | "split";
  pit: boolean;
  /** What becomes of ticks of KVM's PIT that come too early for the guest. */
  lostTicks: "delay" | "discard";
  hpet: boolean;
}

const onOff = (option: string, value: string): boolean => oneOf(option, value, ["on", "off"]) === "on";

/** Properties of machine pc that other values than ours would give a device we do not have. */
const FIXED: Readonly<Record<string, readonly string[]>> = {
  vmport: ["off", "auto"],
  smm: ["off", "auto"],
  usb: ["off"],
  graphics: ["on", "off"],
  "dump-guest-core": ["on", "off"],
  "mem-merge": ["on", "off"],
};

/** -machine [type=]pc[,property=value...] */
export function parseMachine(o: MachineSettings, v: string): void {
  for (const part of v.split(",")) {
    const [key = "", value] = split(part);
    if (value === undefined || key === "type") {
      if (!/^(pc|pc-i440fx(-[\d.]+)?)$/.test(value ?? key))
        throw new OptionError("-machine", quote(part), "the machine is pc");
    } else setProperty(o, key, value, part);
  }
}

function setProperty(o: MachineSettings, key: string, value: string, part: string): void {
  const option = `-machine ${key}`;
  const settings: Readonly<Record<string, () => void>> = {
    accel: () => {
      o.accel = oneOf(option, value.split(":")[0] ?? "", ["kvm", "tcg"]);
    },
    "kernel-irqchip": () => {
      o.kernelIrqchip = oneOf(option, value, ["on", "off", "split"]);
    },
    pit: () => {
      o.pit = onOff(option, value);
    },
    hpet: () => {
      o.hpet = onOff(option, value);
    },
  };
  const fixed = Object.hasOwn(FIXED, key) ? FIXED[key] : undefined;
  if (fixed) oneOf(option, value, fixed);
  else if (Object.hasOwn(settings, key)) settings[key]?.();
  else {
    const known = [...Object.keys(settings), ...Object.keys(FIXED)].join(", ");
    throw new OptionError("-machine", quote(part), `known are ${known}`);
  }
}

/** -accel kvm|tcg[,property=value...] */
/** Entries; how many KVM takes at least and at most it says itself. */
function parseRingSize(accel: "kvm" | "tcg", v: string): number {
  if (accel !== "kvm") throw new OptionError("-accel dirty-ring-size", quote(v), "only KVM has a dirty ring: -accel kvm");
  const n = /^\d{1,9}$/.test(v) ? Number(v) : Number.NaN;
  if (!(n === 0 || Number.isInteger(Math.log2(n))))
    throw new OptionError("-accel dirty-ring-size", quote(v), "give a power of two, such as 4096, or 0 for bitmaps");
  return n;
}

export function parseAccel(o: MachineSettings, v: string): void {
  const [name = "", ...properties] = v.split(",");
  o.accel = oneOf("-accel", name, ["kvm", "tcg"]);
  for (const property of properties) {
    const [key = "", value = ""] = split(property);
    if (key === "jit") o.jit = onOff("-accel jit", value);
    else if (key === "dirty-ring-size") o.dirtyRing = parseRingSize(o.accel, value);
    else if (key === "kernel-irqchip" && o.accel === "kvm") setProperty(o, key, value, property);
  }
}
