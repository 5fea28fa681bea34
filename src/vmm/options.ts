import { type CpuModel, parseCpu as parseModel } from "../isa/index.ts";
import { defaultParams, KvmError, type ModuleParams, parseParams } from "../kvm/uapi.ts";
import { parseMemory } from "./memorysize.ts";
import { type DeviceSettings, parseDevice, parseGlobal, parseOvercommit } from "./options-device.ts";
import { accelText, cpuText, deviceText, helpText, machineText, versionText } from "./options-help.ts";
import { type MachineSettings, parseAccel, parseMachine } from "./options-machine.ts";
import { nonEmpty, oneOf, oneLine, OptionError, quote, split } from "./optionerror.ts";

/** A module of -initrd under multiboot: the file and the words after it. */
export interface ModuleFile {
  readonly file: string;
  readonly commandLine: string;
}

/** The command line, understood. */
export interface VitrineOptions extends MachineSettings, DeviceSettings {
  /** Bytes. */
  memory: number;
  smp: number;
  kernel: string | undefined;
  initrd: string | undefined;
  append: string;
  bios: string | undefined;
  serial: "stdio" | "none";
  nographic: boolean;
  noReboot: boolean;
  /** Port E9h. */
  debugcon: "stdio" | "none";
  /** The processor the guest sees. */
  cpu: CpuModel;
  cpuArgument: string;
  /** -vga std or none; without it the display is text on the ISA bus. */
  vga: "std" | "isa" | "none";
  bootMenu: boolean;
  rtcBase: "utc" | "localtime" | string;
  /** -d unimp: log opcodes that the processor does not know to standard error. */
  logUnimplemented: boolean;
  host: "intel" | "amd";
  /** CPUs of the computer that KVM runs on; as many as the machine has, up to 4, unless given. */
  hostCpus: number | undefined;
  /** module.parameter -> value. */
  modprobe: Map<string, string>;
  /** What they come to. */
  params: ModuleParams;
  until: string | undefined;
  maxInsns: number;
  stats: string | undefined;
  stateHash: boolean;
  clock: "plain" | "cost";
  /** The guest's clock follows wall time, or runs as fast as it can; undefined: by whether a terminal is there. */
  pace: "real" | "none" | undefined;
  /** What is to be printed instead of a run: -help, -version, -device help. */
  show: string | undefined;
}

export function defaultOptions(): VitrineOptions {
  return {
    memory: 128 * 1024 * 1024,
    smp: 1,
    kernel: undefined,
    initrd: undefined,
    append: "",
    bios: undefined,
    serial: "none",
    nographic: false,
    noReboot: false,
    accel: "kvm",
    jit: true,
    kernelIrqchip: "on",
    lostTicks: "discard",
    pit: true,
    hpet: true,
    debugcon: "none",
    dirtyRing: 0,
    cpu: parseModel("qemu64"),
    cpuArgument: "qemu64",
    vga: "isa",
    bootMenu: false,
    rtcBase: "utc",
    debugExit: { base: 0xf4, size: 4 },
    pcTestdev: false,
    pciTestdev: false,
    host: "intel",
    hostCpus: undefined,
    modprobe: new Map(),
    params: defaultParams,
    until: undefined,
    maxInsns: Infinity,
    stats: undefined,
    stateHash: false,
    clock: "plain",
    pace: undefined,
    logUnimplemented: false,
    show: undefined,
  };
}

type Apply = (o: VitrineOptions, value: string) => void;

const flags: { readonly [name: string]: (o: VitrineOptions) => void } = {
  nographic: (o) => {
    o.nographic = true;
    o.serial = "stdio";
  },
  "no-reboot": (o) => {
    o.noReboot = true;
  },
  "state-hash": (o) => {
    o.stateHash = true;
  },
  help: (o) => {
    o.show = helpText;
  },
  h: (o) => {
    o.show = helpText;
  },
  version: (o) => {
    o.show = versionText;
  },
  "enable-kvm": (o) => {
    o.accel = "kvm";
  },
  "no-kvm": (o) => {
    o.accel = "tcg";
  },
  "no-kvm-irqchip": (o) => {
    o.kernelIrqchip = "off";
  },
  "no-hpet": (o) => {
    o.hpet = false;
  },
  nodefaults: () => {},
  "no-user-config": () => {},
};

/** Options that list what they know when they are asked "help" or "?". */
const lists: Readonly<Record<string, string>> = {
  device: deviceText,
  machine: machineText,
  M: machineText,
  accel: accelText,
  cpu: cpuText,
};

const valued: { readonly [name: string]: Apply } = {
  m: (o, v) => {
    o.memory = parseMemory(v);
  },
  smp: (o, v) => {
    o.smp = parseCpus(v);
  },
  kernel: (o, v) => {
    o.kernel = nonEmpty("-kernel", v, "name a file");
  },
  initrd: (o, v) => {
    o.initrd = nonEmpty("-initrd", v, "name a file");
  },
  append: (o, v) => {
    o.append = v;
  },
  bios: (o, v) => {
    o.bios = nonEmpty("-bios", v, "name a firmware file");
  },
  serial: (o, v) => {
    o.serial = v === "null" ? "none" : oneOf("-serial", v.replace(/^mon:/, ""), ["stdio", "none"]);
  },
  debugcon: (o, v) => {
    o.debugcon = oneOf("-debugcon", v, ["stdio", "none"]);
  },
  vnc: (_o, v) => {
    oneOf("-vnc", v, ["none"]);
  },
  display: (_o, v) => {
    oneOf("-display", v, ["none"]);
  },
  vga: (o, v) => {
    o.vga = oneOf("-vga", v, ["std", "none"]);
  },
  monitor: (_o, v) => {
    oneOf("-monitor", v, ["none"]);
  },
  nic: (_o, v) => {
    oneOf("-nic", v, ["none"]);
  },
  net: (_o, v) => {
    oneOf("-net", v, ["none"]);
  },
  machine: (o, v) => {
    parseMachine(o, v);
  },
  M: (o, v) => {
    parseMachine(o, v);
  },
  accel: (o, v) => {
    parseAccel(o, v);
  },
  cpu: (o, v) => {
    o.cpuArgument = v;
  },
  global: (o, v) => {
    o.lostTicks = parseGlobal(v);
  },
  overcommit: (_o, v) => {
    parseOvercommit(v);
  },
  boot: (o, v) => {
    parseBoot(o, v);
  },
  rtc: (o, v) => {
    o.rtcBase = parseRtc(v);
  },
  d: (o, v) => {
    for (const item of v.split(",")) oneOf("-d", item, ["unimp"]);
    o.logUnimplemented = true;
  },
  device: (o, v) => {
    parseDevice(o, v);
  },
  host: (o, v) => {
    const [vendor = "", ...parts] = v.split(",");
    o.host = oneOf("-host", vendor, ["intel", "amd"]);
    for (const part of parts) {
      const cpus = /^cpus=([1-4])$/.exec(part)?.[1];
      if (cpus === undefined) throw new OptionError("-host", quote(part), "write cpus=1 to cpus=4");
      o.hostCpus = Number(cpus);
    }
  },
  modprobe: (o, v) => {
    parseModprobe(o, v);
  },
  until: (o, v) => {
    o.until = nonEmpty("-until", v, "give the text to wait for");
  },
  "max-insns": (o, v) => {
    o.maxInsns = parseCount("-max-insns", v);
  },
  stats: (o, v) => {
    o.stats = nonEmpty("-stats", v, "name a file");
  },
  clock: (o, v) => {
    o.clock = oneOf("-clock", v, ["plain", "cost"]);
  },
  pace: (o, v) => {
    o.pace = oneOf<"real" | "none">("-pace", v, ["real", "none"]);
  },
};

/** Reads arguments as QEMU does: one or two dashes, the value as the next argument; the last of a repeated one wins. */
export function parseOptions(args: readonly string[]): VitrineOptions {
  const options = defaultOptions();
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    const name = /^--?(?=[^-])(.*)$/.exec(arg)?.[1];
    if (name === undefined) {
      throw new OptionError(
        arg === "" ? "an empty argument" : oneLine(arg),
        "is no option",
        "there are no disks yet: give -kernel FILE or -bios FILE",
      );
    }
    const flag = Object.hasOwn(flags, name) ? flags[name] : undefined;
    const apply = Object.hasOwn(valued, name) ? valued[name] : undefined;
    if (flag) {
      flag(options);
    } else if (apply) {
      const value = args[++i];
      if (value === undefined) throw new OptionError(arg, "has no value", `write ${arg} VALUE`);
      if ((value === "?" || value === "help") && Object.hasOwn(lists, name)) options.show = lists[name];
      else apply(options, value);
    } else {
      throw new OptionError(oneLine(arg), "unknown option", `did you mean -${nearest(name)}?`);
    }
  }
  return checkTogether(options);
}

/** -initrd as multiboot takes it: "file words,file2"; a doubled comma stands for one. */
export function parseModules(initrd: string): ModuleFile[] {
  const parts = initrd
    .replaceAll(",,", "\0")
    .split(",")
    .map((p) => p.replaceAll("\0", ",").trim());
  return parts.filter((p) => p !== "").map((p) => ({ file: p.split(" ")[0] ?? p, commandLine: p }));
}

function checkTogether(o: VitrineOptions): VitrineOptions {
  if (o.show !== undefined) return o;
  o.cpu = parseCpu(o);
  if (o.initrd !== undefined && o.kernel === undefined) {
    throw new OptionError("-initrd", "has no kernel to go with", "add -kernel FILE");
  }
  if (o.kernelIrqchip !== "on" && o.accel === "tcg")
    throw new OptionError("-machine kernel-irqchip", quote(o.kernelIrqchip), "without KVM there is no kernel for the chips: leave it out");
  if (o.lostTicks === "delay" && (o.accel !== "kvm" || o.kernelIrqchip !== "on" || !o.pit))
    throw new OptionError("-global kvm-pit.lost_tick_policy", quote("delay"), "the PIT is not in KVM: give discard, or -accel kvm with all chips in the kernel");
  if (o.append !== "" && o.kernel === undefined) {
    throw new OptionError("-append", "has no kernel to go with", "add -kernel FILE");
  }
  // Which modules there are is the host's to say, wherever -host stands.
  o.params = moduleParams(o.modprobe, o.host);
  return o;
}

/** Sockets of one core each, as many as there are CPUs. */
function parseCpus(v: string): number {
  const topology: Record<string, number> = { sockets: 1, cores: 1, threads: 1 };
  let cpus: number | undefined;
  for (const part of v.split(",")) {
    const [, key = "cpus", digits] = /^(?:(cpus|maxcpus|sockets|cores|threads|dies)=)?([1-9]\d{0,2})$/.exec(part) ?? [];
    if (digits === undefined) throw new OptionError("-smp", quote(part), "write a number of CPUs from 1 to 8");
    if (key === "cpus") cpus = Number(digits);
    else if (key !== "maxcpus") topology[key] = Number(digits);
  }
  const { sockets = 1, cores = 1, threads = 1 } = topology, count = cpus ?? sockets * cores * threads;
  // kvm-unit-tests ask for as many CPUs as their host has, look for "SMP CPUs" and take the last word for the limit.
  if (count > 8) throw new OptionError("-smp", quote(v), "the most SMP CPUs are 8");
  if (cores * threads > 1) throw new OptionError("-smp", quote(v), `each socket holds one core: sockets=${count}`);
  return count;
}

/** `max` is the host's silicon; on the bare machine a feature of one vendor alone chooses. */
function parseCpu({ cpuArgument: v, host, accel }: VitrineOptions): CpuModel {
  const asks = (feature: string): boolean => v.split(",").includes(`+${feature}`);
  const vendor = accel === "kvm" ? host : asks("svm") ? "amd" : asks("vmx") ? "intel" : host;
  try {
    return parseModel(v, vendor);
  } catch (error) {
    const [what = "", cure = ""] = (error instanceof Error ? error.message : String(error)).replace(/^-cpu: /, "").split("; ");
    throw new OptionError("-cpu", quote(what), cure);
  }
}

function parseBoot(o: VitrineOptions, v: string): void {
  for (const part of v.split(",")) {
    const [key = "", value] = split(part);
    if (key === "menu" && value !== undefined)
      o.bootMenu = oneOf("-boot menu", value, ["on", "off"]) === "on";
    else if (!(key === "order" || (value === undefined && /^[acdn]+$/.test(key)))) {
      throw new OptionError("-boot", quote(part), "known are menu=on|off and order=LETTERS");
    }
  }
}

function parseRtc(v: string): string {
  const [key = "", value = ""] = split(v.split(",")[0] ?? "");
  const known = value === "utc" || value === "localtime" || /^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d)?$/.test(value);
  if (key !== "base" || !known) {
    throw new OptionError("-rtc", quote(v), "write base=utc, base=localtime or base=2026-01-31T12:00:00");
  }
  return value;
}

/** What the parameters of KVM's modules come to; OptionError for one that will not do. */
function moduleParams(given: ReadonlyMap<string, string>, vendor: "intel" | "amd"): ModuleParams {
  try {
    return parseParams(given, vendor);
  } catch (error) {
    if (!(error instanceof KvmError)) throw error;
    const [what = "", cure = ""] = error.message.split("; ");
    throw new OptionError("-modprobe", what, cure);
  }
}

function parseModprobe(o: VitrineOptions, v: string): void {
  for (const part of v.split(",")) {
    const found = /^((?:kvm|kvm_intel|kvm_amd)\.\w+)=(\w+)$/.exec(part);
    if (!found)
      throw new OptionError(
        "-modprobe",
        quote(part),
        "write module.parameter=value, such as kvm_intel.ept=1",
      );
    o.modprobe.set(found[1] ?? "", found[2] ?? "");
  }
}

function parseCount(option: string, v: string): number {
  const n = /^\d+$/.test(v) ? Number(v) : Number.NaN;
  if (!Number.isSafeInteger(n) || n < 1)
    throw new OptionError(option, quote(v), "give a whole number from 1 up");
  return n;
}

/** The known option that differs least, letter by letter. */
function nearest(name: string): string {
  const names = [...Object.keys(flags), ...Object.keys(valued)];
  const cost = (a: string, b: string): number => {
    let row = Array.from({ length: b.length + 1 }, (_, j) => j);
    for (let i = 1; i <= a.length; i++) {
      const next = [i];
      for (let j = 1; j <= b.length; j++) {
        const same = a[i - 1] === b[j - 1] ? 0 : 1;
        next.push(
          [(row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + same].sort((x, y) => x - y)[0] ?? 0,
        );
      }
      row = next;
    }
    return row[b.length] ?? 0;
  };
  const short = name.slice(0, 40);
  return [...names].sort((a, b) => cost(short, a) - cost(short, b))[0] ?? "help";
}
