import { oneOf, OptionError, quote, split } from "./optionerror.ts";

export interface PortRange {
  readonly base: number;
  readonly size: number;
}

/** What -device and -global decide. */
export interface DeviceSettings {
  /** Where isa-debug-exit answers. */
  debugExit: PortRange;
  /** What kvm-unit-tests are written for. */
  pcTestdev: boolean;
  pciTestdev: boolean;
}

/** Devices that -device can add, as `-device help` lists them. */
export const devices = [
  { name: "isa-debug-exit", bus: "ISA", about: "Ends the machine with status 2 * value + 1; iobase=, iosize=" },
  { name: "pc-testdev", bus: "ISA", about: "Ports and memory for kvm-unit-tests" },
  { name: "pci-testdev", bus: "PCI", about: "PCI test device" },
] as const;

export function parseDevice(o: DeviceSettings, v: string): void {
  const [name, ...parts] = v.split(",");
  if (name === "pc-testdev" && parts.length === 0) o.pcTestdev = true;
  else if (name === "pci-testdev" && parts.length === 0) o.pciTestdev = true;
  else if (name === "isa-debug-exit") o.debugExit = parseDebugExit(parts);
  else throw new OptionError("-device", quote(v), `known are ${devices.map((d) => d.name).join(", ")}`);
}

/** QEMU's defaults differ from where kvm-unit-tests expect it: they give both properties. */
function parseDebugExit(parts: readonly string[]): PortRange {
  const range = { base: 0x501, size: 2 };
  for (const part of parts) {
    const [key, value = ""] = split(part), n = /^(0x[\da-f]+|\d+)$/i.test(value) ? Number(value) : -1;
    if (key === "iobase" && n >= 0 && n <= 0xfffc) range.base = n;
    else if (key === "iosize" && (n === 1 || n === 2 || n === 4)) range.size = n;
    else throw new OptionError("-device isa-debug-exit", quote(part), "write iobase=0xf4,iosize=4");
  }
  return range;
}

/** -global driver.property=value: ticks of KVM's PIT that the guest has not taken are lost, as on hardware, or come later. */
export function parseGlobal(v: string): "delay" | "discard" {
  const [property, value = ""] = split(v);
  if (property !== "kvm-pit.lost_tick_policy")
    throw new OptionError("-global", quote(v), "known is kvm-pit.lost_tick_policy=delay|discard");
  return oneOf(`-global ${property}`, value, ["delay", "discard"]);
}

/** -overcommit mem-lock=on|off,cpu-pm=on|off: guest memory is always locked; whether HLT exits is nothing that a guest could see. */
export function parseOvercommit(v: string): void {
  for (const part of v.split(",")) {
    const [key, value = ""] = split(part);
    if (key !== "mem-lock" && key !== "cpu-pm") throw new OptionError("-overcommit", quote(part), "known are mem-lock and cpu-pm");
    oneOf(`-overcommit ${key}`, value, ["on", "off"]);
  }
}
