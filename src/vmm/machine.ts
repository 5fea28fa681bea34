import { encode, type IrqLine, type Persist, type Saved, SavedRecord, StateError } from "../base/index.ts";
import { bootBytes, BootDevice, Cmos, Hpet, Mc146818, memoryBytes } from "../chips/index.ts";
import type { AccelVm, Stop } from "./accel.ts";
import { encodeScript, runScript } from "./acpi/script.ts";
import { makeAcpi, pmBase, rsdpFile } from "./acpi/tables.ts";
import { MachineBus } from "./bus.ts";
import { DebugConsole, debugConsolePorts, DebugExit, debugExitPort } from "./devices/debugports.ts";
import type { Device } from "./devices/device.ts";
import { Dma8237, dmaRanges } from "./devices/dma8237.ts";
import { I8042 } from "./devices/i8042.ts";
import { PcTestdev, testMemory, testPorts } from "./devices/pctestdev.ts";
import { resetControlPort, ResetPorts, systemControlPort } from "./devices/resetports.ts";
import { Uart } from "./devices/uart.ts";
import { Vbe } from "./devices/vbe.ts";
import { VgaText } from "./devices/vga.ts";
import { FwCfg, FwCfgKey, littleEndian, selectorPort } from "./fwcfg.ts";
import { directE820, type Display, firmwareE820, hpetBase, mapMemory, mapPam, standardVideo, textRam, vgaWindow } from "./layout.ts";
import type { NamedImage } from "./load/image.ts";
import { checkFirmware, checkVgaBios, loadKernel } from "./load/kernel.ts";
import { videoMode } from "./load/videomode.ts";
import { I440fx } from "./pci/i440fx.ts";
import { configAddressPort, PciBus } from "./pci/pcibus.ts";
import { PciTestdev } from "./pci/pci-testdev.ts";
import { Piix3 } from "./pci/piix3.ts";
import { Piix4Pm } from "./pci/piix4pm.ts";
import { StdVga } from "./pci/stdvga.ts";
import { readSnapshot, writeSnapshot } from "./snapshot.ts";
import { Wires } from "./wires.ts";

export interface MachineOptions {
  /** Bytes, whole MiB. */
  ramSize: number;
  cpus?: number;
  kernel?: NamedImage | undefined;
  initrd?: NamedImage | undefined;
  /** For multiboot: several modules instead of one initrd. */
  modules?: readonly { image: NamedImage; commandLine: string }[] | undefined;
  append?: string;
  bios?: NamedImage | undefined;
  /** "isa" when not given. */
  vga?: Display | undefined;
  /** VGA BIOS for firmware to run: in fw_cfg for a display on the ISA bus, as the expansion ROM of the standard VGA. */
  vgaBios?: Uint8Array | undefined;
  /** Firmware's own output also goes to COM1. */
  nographic?: boolean;
  bootMenu?: boolean;
  /** A reset ends the machine with status 0. */
  noReboot?: boolean;
  /** Ports of isa-debug-exit; F4h to F7h unless given. */
  debugExit?: { readonly base: number; readonly size: number } | undefined;
  /** The device that kvm-unit-tests are written for. */
  pcTestdev?: boolean | undefined;
  pciTestdev?: boolean | undefined;
  /** False leaves the HPET out. */
  hpet?: boolean | undefined;
  /** Time of day at t = 0, in seconds since 1970-01-01 UTC. An input of the run: hash tests fix it. */
  rtcBase?: number;
  onSerial?: (bytes: Uint8Array) => void;
  onDebug?: (bytes: Uint8Array) => void;
}

/** 2026-01-01 00:00:00 UTC. */
const defaultRtcBase = 1_767_225_600;

/** Where video memory lies when no firmware places it. */
const directVideo = 0xfd000000;

/** Where pci-testdev is plugged. */
const testSlot = 3;

/** The most input that waits for the serial port. */
const maxTyped = 1 << 20;

/** Why the machine's run came back: the accelerator's stops, or the guest ended the machine. */
export type MachineStop =
  | Stop
  | { kind: "exit"; status: number; cause: "debug-exit" | "power-off" | "reset" };

/** Output gathered per slice, so that a sink is not called for each byte. */
class Sink {
  #bytes: number[] = [];
  readonly #deliver: (bytes: Uint8Array) => void;

  constructor(deliver: ((bytes: Uint8Array) => void) | undefined) {
    this.#deliver = deliver ?? (() => {});
  }

  put(byte: number): void {
    this.#bytes.push(byte);
    if (this.#bytes.length >= 4096) this.flush();
  }

  flush(): void {
    if (this.#bytes.length === 0) return;
    const bytes = Uint8Array.from(this.#bytes);
    this.#bytes = [];
    this.#deliver(bytes);
  }
}

/** Machine "pc": i440FX and PIIX3, as QEMU's. */
export class Machine implements Persist {
  readonly id = "pc";
  readonly version = 1;
  readonly accel: AccelVm;
  readonly bus = new MachineBus();
  readonly pci = new PciBus();
  readonly uart: Uart;
  readonly i8042: I8042;
  readonly vga: VgaText;
  /** The VGA's PCI side, with -vga std. */
  readonly stdVga: StdVga | undefined;
  readonly piix3: Piix3;
  readonly pm: Piix4Pm;
  readonly fwCfg: FwCfg;
  readonly #options: MachineOptions;
  readonly #wires: Wires;
  readonly #devices: Device[] = [];
  readonly #serial: Sink;
  readonly #debug: Sink;
  readonly rtc: Mc146818;
  /** Typed, and more than the serial port would take. */
  #typed = new Uint8Array(0);
  #resetAsked = false;
  #exit: MachineStop | undefined;

  /** Builds and resets the machine; throws LoadError for a bad image. */
  constructor(accel: AccelVm, options: MachineOptions) {
    this.accel = accel;
    this.#options = options;
    const { clock } = accel;
    if (options.bios) checkFirmware(options.bios);
    if (options.vgaBios) checkVgaBios(options.vgaBios);
    const firmware = options.bios?.bytes;
    this.#wires = new Wires((gsi, level) => {
      accel.irqLine(gsi, level);
    });
    const irq = (n: number) => this.#wires.source(n);
    this.#serial = new Sink(options.onSerial);
    this.#debug = new Sink(options.onDebug);
    const requestReset = () => {
      this.requestReset();
    };

    mapMemory(accel, options.ramSize, firmware);
    const firmwareSize = firmware?.length ?? 0,
      display = options.vga ?? "isa",
      video = display === "std" ? standardVideo(accel, options.ramSize, firmwareSize, options.vgaBios) : undefined;
    this.vga = new VgaText(display === "none" ? undefined : textRam(accel, options.ramSize, firmwareSize), video);
    this.stdVga = video && new StdVga(this.bus, this.vga, video);
    const host = new I440fx(this.bus, (segments) => {
      mapPam(accel, options.ramSize, firmware?.length ?? 0, segments);
    });
    this.piix3 = new Piix3(
      this.bus,
      Array.from({ length: 16 }, (_, n) => irq(n)),
    );
    this.pm = new Piix4Pm(this.bus, {
      clock,
      sci: irq(9),
      powerOff: () => {
        this.#end(0, "power-off");
      },
    });
    this.uart = new Uart({
      irq: irq(4),
      output: (b) => {
        this.#serial.put(b);
      },
    });
    this.i8042 = new I8042({ keyboardIrq: irq(1), mouseIrq: irq(12), requestReset });
    this.fwCfg = new FwCfg(accel.memory);
    const resetPorts = new ResetPorts({ requestReset });
    const dma = new Dma8237();
    this.rtc = new Mc146818({ clock, irq: irq(8), baseSeconds: options.rtcBase ?? defaultRtcBase });

    this.pci.plug(0, 0, host);
    this.pci.plug(1, 0, this.piix3);
    this.pci.plug(1, 3, this.pm);
    if (this.stdVga) this.pci.plug(2, 0, this.stdVga);
    this.#devices.push(
      host,
      this.piix3,
      this.pm,
      this.pci,
      this.uart,
      this.i8042,
      ...(display === "none" ? [] : [this.vga]),
      ...(this.stdVga ? [this.stdVga] : []),
      this.fwCfg,
      resetPorts,
      dma,
      this.rtc,
    );

    const { ports, mmio } = this.bus;
    ports.map(configAddressPort, 8, this.pci, { width: 4 });
    ports.map(resetControlPort, 1, resetPorts, { priority: 1 });
    ports.map(systemControlPort, 1, resetPorts, { priority: 1 });
    ports.map(0x3f8, 8, this.uart);
    ports.map(0x60, 1, this.i8042);
    ports.map(0x64, 1, this.i8042);
    ports.map(selectorPort, 12, this.fwCfg, { width: 4 });
    const { base: exitPort, size: exitSize } = options.debugExit ?? { base: debugExitPort, size: 4 };
    ports.map(
      exitPort,
      exitSize,
      new DebugExit((status) => {
        this.#end(status, "debug-exit");
      }),
      { width: 4 },
    );
    const console = new DebugConsole((b) => {
      this.#debug.put(b);
    });
    for (const port of debugConsolePorts) ports.map(port, 1, console);
    for (const [base, size] of dmaRanges) ports.map(base, size, dma);
    ports.map(0x70, 2, this.rtc);
    if (display !== "none") {
      for (const [base, size] of VgaText.ports) ports.map(base, size, this.vga);
      mmio.map(vgaWindow.base, vgaWindow.size, this.vga);
    }
    if (this.stdVga) ports.map(...Vbe.ports, this.stdVga.vbe, { width: 2 });
    if (this.#hasHpet) {
      const hpet = this.#makeHpet();
      this.#devices.push(hpet);
      mmio.map(hpetBase, 0x400, hpet, { width: 8 });
    }
    if (options.pcTestdev) this.#plugTestDevice(irq);
    if (options.pciTestdev) {
      const device = new PciTestdev(this.bus);
      this.pci.plug(testSlot, 0, device);
      this.#devices.push(device);
    }
    accel.attach(this.bus);
    accel.setWallClock?.(options.rtcBase ?? defaultRtcBase);
    this.#fillFwCfg();
    this.reset();
  }

  /** RESET of everything, then the kernel is loaded again or the firmware starts at its reset vector. */
  reset(): void {
    this.#resetAsked = false;
    this.#exit = undefined;
    this.accel.reset();
    for (const device of this.#devices) device.reset();
    const { ramSize, cpus = 1 } = this.#options;
    this.rtc.setBytes([
      ...memoryBytes(ramSize, 0),
      ...bootBytes([BootDevice.disk, BootDevice.floppy, BootDevice.cdrom]),
      // An x87 and a mouse, no floppy; the shutdown code is none.
      [Cmos.equipment, 6],
      [Cmos.shutdown, 0],
      [Cmos.cpusMinus1, cpus - 1],
    ]);
    if (this.#options.kernel) this.#startDirectly();
  }

  /** Resets at the next instruction boundary, or ends the machine under -no-reboot. */
  requestReset(): void {
    this.#resetAsked = true;
    this.accel.stop();
  }

  /** Runs until t reaches untilT or the guest stops; resets happen inside. Output is delivered before it returns. */
  run(untilT: number): MachineStop {
    for (;;) {
      this.#feed();
      const stop = this.#exit ?? this.accel.run(untilT);
      this.#serial.flush();
      this.#debug.flush();
      if (this.#exit) return this.#exit;
      if (!this.#resetAsked) return stop;
      if (this.#options.noReboot) {
        this.#end(0, "reset");
        continue;
      }
      this.reset();
    }
  }

  /** Input for the serial port; what it cannot take now waits here. Returns how many bytes were accepted. */
  type(bytes: Uint8Array): number {
    const taken = Math.min(bytes.length, maxTyped - this.#typed.length);
    const joined = new Uint8Array(this.#typed.length + taken);
    joined.set(this.#typed);
    joined.set(bytes.subarray(0, taken), this.#typed.length);
    this.#typed = joined;
    return taken;
  }

  /** What waits for the serial port; whoever moves the machine takes it along. */
  takeTyped(): Uint8Array {
    const typed = this.#typed;
    this.#typed = new Uint8Array(0);
    return typed;
  }

  save(): Saved {
    const devices: { [id: string]: Saved } = {};
    for (const d of this.#devices) devices[d.id] = { version: d.version, state: d.save() };
    return { accel: this.accel.save(), devices };
  }

  /**
   * Into a machine built with the same options. The state holds no memory: that comes with saveFile or over a
   * migration, before this.
   */
  restore(state: Saved): void {
    const record = new SavedRecord(this.id, state);
    const devices = record.record("devices");
    for (const d of this.#devices) {
      if (devices.record(d.id).int("version") !== d.version)
        throw new StateError(d.id, "saved by another version");
    }
    this.accel.restore(record.value("accel"));
    for (const d of this.#devices) d.restore(devices.record(d.id).value("state"));
    this.#resetAsked = false;
    this.#exit = undefined;
  }

  /**
   * SHA-256, as 64 hexadecimal digits, over the canonical state of CPU, interrupt chips and devices and the digests of
   * all pages of all regions in the order of guest addresses.
   */
  stateHash(): string {
    return this.hashOf(this.hashParts());
  }

  /** What the state hash is made of, as it is now: hashOf gives this moment's hash even when the machine has run on. */
  hashParts(): readonly Uint8Array[] {
    return [encode(this.save()), this.accel.pageDigests()];
  }

  hashOf(parts: readonly Uint8Array[]): string {
    const hash = this.accel.sha256(...parts);
    return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  /** State and memory in one piece; pages of zeros take no room. */
  saveFile(): Uint8Array {
    return writeSnapshot(this.accel, { machine: this.save(), typed: this.#typed.slice() });
  }

  /** Takes back what saveFile gave on a machine built with the same options; throws StateError. */
  loadFile(file: Uint8Array): void {
    readSnapshot(this.accel, file, (state) => {
      const record = new SavedRecord(this.id, state);
      const typed = record.bytes("typed");
      if (typed.length > maxTyped) throw new StateError(this.id, `${typed.length} bytes typed`);
      this.restore(record.value("machine"));
      this.#typed = typed.slice();
    });
  }

  #feed(): void {
    if (this.#typed.length > 0) this.#typed = this.#typed.slice(this.uart.receive(this.#typed));
  }

  #end(status: number, cause: "debug-exit" | "power-off" | "reset"): void {
    this.#exit ??= { kind: "exit", status, cause };
    this.accel.stop();
  }

  #makeHpet(): Hpet {
    const lines = new Map<number, IrqLine>();
    return new Hpet({
      clock: this.accel.clock,
      setGsi: (gsi, level) => {
        const line = lines.get(gsi) ?? this.#wires.source(gsi);
        lines.set(gsi, line);
        line.set(level);
      },
      onLegacy: (on) => {
        this.accel.setHpetLegacy?.(on);
        this.rtc.setIrqEnabled(!on);
      },
    });
  }

  #plugTestDevice(irq: (n: number) => IrqLine): void {
    const device = new PcTestdev(Array.from({ length: 16 }, (_, n) => irq(n)));
    for (const [base, size, width] of testPorts) this.bus.ports.map(base, size, device, { width });
    this.bus.mmio.map(testMemory.base, testMemory.size, device, { width: 8 });
    this.#devices.push(device);
  }

  get #hasHpet(): boolean {
    return this.#options.hpet ?? true;
  }

  #acpi() {
    return makeAcpi({ ramSize: this.#options.ramSize, cpus: this.#options.cpus ?? 1, hpet: this.#hasHpet });
  }

  #fillFwCfg(): void {
    const { ramSize, cpus = 1, nographic = false, bootMenu = false, vgaBios } = this.#options;
    const cfg = this.fwCfg;
    cfg.addNumber(FwCfgKey.ramSize, 8, ramSize);
    cfg.addNumber(FwCfgKey.noGraphic, 2, Number(nographic));
    cfg.addNumber(FwCfgKey.nbCpus, 2, cpus);
    cfg.addNumber(FwCfgKey.maxCpus, 2, cpus);
    cfg.addNumber(FwCfgKey.bootMenu, 2, Number(bootMenu));
    cfg.addNumber(FwCfgKey.irq0Override, 4, 1);
    cfg.addFile("etc/e820", firmwareE820(ramSize));
    // Without a bootable device firmware stops instead of starting over.
    cfg.addFile("etc/boot-fail-wait", littleEndian(4, 0xffffffff));
    if (nographic) cfg.addFile("etc/sercon-port", littleEndian(8, 0x3f8));
    if (vgaBios && !this.stdVga) cfg.addFile("vgaroms/vgabios.bin", vgaBios);
    const acpi = this.#acpi();
    for (const [name, bytes] of acpi.files) cfg.addFile(name, bytes);
    cfg.addFile("etc/table-loader", encodeScript(acpi.commands));
  }

  /** What firmware would have done, then the kernel. */
  #startDirectly(): void {
    const { accel } = this;
    const { kernel, initrd, modules, append = "", ramSize } = this.#options;
    if (!kernel) return;
    for (let at = 0x59; at <= 0x5f; at++) this.pci.at(0, 0)?.configWrite(at, 1, 0x33);
    [10, 10, 11, 11].forEach((irq, i) => {
      this.piix3.configWrite(0x60 + i, 1, irq);
    });
    this.pm.configWrite(0x40, 4, pmBase | 1);
    this.pm.configWrite(0x80, 1, 1);
    this.pm.configWrite(0x3c, 1, 9);
    const test = this.pci.at(testSlot, 0);
    test?.configWrite(0x10, 4, 0xfebf0000);
    test?.configWrite(0x14, 4, 0xc000);
    test?.configWrite(4, 2, 3);
    // Video memory and registers where SeaBIOS puts them.
    this.stdVga?.configWrite(0x10, 4, directVideo);
    this.stdVga?.configWrite(0x18, 4, 0xfebe0000);
    this.stdVga?.configWrite(4, 2, 3);
    const mode = this.stdVga && videoMode(append);
    // Keyboard interrupt on, mouse off until its driver comes, translation to set 1.
    this.i8042.portWrite(0x64, 1, 0x60);
    this.i8042.portWrite(0x60, 1, 0x65);
    const acpi = this.#acpi();
    const where = runScript(acpi.commands, acpi.files, accel.memory, 0xe0000);
    const start = loadKernel({
      memory: accel.memory,
      kernel,
      initrd,
      modules,
      append,
      e820: directE820(ramSize),
      rsdp: where.get(rsdpFile) ?? 0,
      picture: mode && this.stdVga && { ...mode, base: directVideo, ...this.stdVga.setMode(mode) },
    });
    accel.setSregs({ ...accel.sregs(), ...start.sregs });
    accel.setRegs(start.regs);
  }
}
