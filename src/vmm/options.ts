import { type CpuModel, parseCpu as parseModel } from "../isa/index.ts";
import { defaultParams, KvmError, type ModuleParams, parseParams } from "../kvm/uapi.ts";
import { parseMemory } from "./memorysize.ts";
import { nonEmpty, oneOf, oneLine, OptionError, quote, split } from "./optionerror.ts";

/** A module of -initrd under multiboot: the file and the words after it. */
export interface ModuleFile {
  readonly file: string;
  readonly commandLine: string;
}

export interface PortRange {
  readonly base: number;
  readonly size: number;
}

/** The command line, understood. */
export interface VitrineOptions {
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
  accel: "kvm" | "tcg";
  /** Hot guest code is translated (-accel kvm|tcg,jit=on). */
  jit: boolean;
  /** The processor the guest sees. */
  cpu: CpuModel;
  bootMenu: boolean;
  rtcBase: "utc" | "localtime" | string;
  /** Where isa-debug-exit answers. */
  debugExit: PortRange;
  /** -device pc-testdev: what kvm-unit-tests are written for. */
  pcTestdev: boolean;
  /** -d unimp: log opcodes that the processor does not know to standard error. */
  logUnimplemented: boolean;
  host: "intel" | "amd";
  /** module.parameter -> value. */
  modprobe: Map<string, string>;
  /** What they come to. */
  params: ModuleParams;
  until: string | undefined;
  maxInsns: number;
  stats: string | undefined;
  stateHash: boolean;
  clock: "plain" | "cost";
  help: boolean;
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
    jit: false,
    cpu: parseModel("qemu64"),
    bootMenu: false,
    rtcBase: "utc",
    debugExit: { base: 0xf4, size: 4 },
    pcTestdev: false,
    host: "intel",
    modprobe: new Map(),
    params: defaultParams,
    until: undefined,
    maxInsns: Infinity,
    stats: undefined,
    stateHash: false,
    clock: "plain",
    logUnimplemented: false,
    help: false,
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
    o.help = true;
  },
  h: (o) => {
    o.help = true;
  },
  "enable-kvm": (o) => {
    o.accel = "kvm";
  },
  nodefaults: () => {},
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
    o.serial = oneOf("-serial", v.replace(/^mon:/, ""), ["stdio", "none"]);
  },
  display: (_o, v) => {
    oneOf("-display", v, ["none"]);
  },
  vga: (_o, v) => {
    oneOf("-vga", v, ["std", "none"]);
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
    const [name = "", ...properties] = v.split(",");
    o.accel = oneOf("-accel", name, ["kvm", "tcg"]);
    for (const property of properties) {
      const [key, value] = split(property);
      if (key === "jit") o.jit = oneOf("-accel jit", value ?? "", ["on", "off"]) === "on";
    }
  },
  cpu: (o, v) => {
    o.cpu = parseCpu(v);
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
    o.host = oneOf("-host", v, ["intel", "amd"]);
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
      apply(options, value);
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
  if (o.help) return o;
  if (o.initrd !== undefined && o.kernel === undefined) {
    throw new OptionError("-initrd", "has no kernel to go with", "add -kernel FILE");
  }
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
    const [, key = "cpus", digits] = /^(?:(cpus|maxcpus|sockets|cores|threads|dies)=)?([1-9]\d?)$/.exec(part) ?? [];
    if (digits === undefined) throw new OptionError("-smp", quote(part), "write a number of CPUs from 1 to 8");
    if (key === "cpus") cpus = Number(digits);
    else if (key !== "maxcpus") topology[key] = Number(digits);
  }
  const { sockets = 1, cores = 1, threads = 1 } = topology, count = cpus ?? sockets * cores * threads;
  if (count > 8) throw new OptionError("-smp", quote(v), "give 1 to 8 CPUs");
  if (cores * threads > 1) throw new OptionError("-smp", quote(v), `each socket holds one core: sockets=${count}`);
  return count;
}

function parseMachine(o: VitrineOptions, v: string): void {
  for (const part of v.split(",")) {
    const [key = "", value] = split(part);
    if (value === undefined || key === "type") {
      if (!/^(pc|pc-i440fx(-[\d.]+)?)$/.test(value ?? key))
        throw new OptionError("-machine", quote(part), "the machine is pc");
    } else if (key === "accel") {
      o.accel = oneOf("-machine accel", value.split(":")[0] ?? "", ["kvm", "tcg"]);
    } else {
      throw new OptionError("-machine", quote(part), "known are pc and accel=kvm|tcg");
    }
  }
}

function parseCpu(v: string): CpuModel {
  try {
    return parseModel(v);
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

function parseDevice(o: VitrineOptions, v: string): void {
  const [name, ...parts] = v.split(",");
  if (name === "pc-testdev" && parts.length === 0) o.pcTestdev = true;
  else if (name === "isa-debug-exit") o.debugExit = parseDebugExit(parts);
  else throw new OptionError("-device", quote(v), "known are isa-debug-exit and pc-testdev");
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
