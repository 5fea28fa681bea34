import { acpiDisable, acpiEnable, gpe0Base } from "../pci/piix4pm.ts";
import { ascii } from "./aml.ts";
import { dsdtBody } from "./dsdt.ts";
import { type Command, Script } from "./script.ts";

/** Where power management registers are; firmware and direct boot both program this. */
export const pmBase = 0x600;
export const sciInterrupt = 9;

export interface AcpiConfig {
  readonly ramSize: number;
  readonly cpus: number;
  readonly hpet?: boolean;
}

export interface AcpiTables {
  /** File contents by fw_cfg name; pointers in them are offsets until the script has run. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly commands: readonly Command[];
}

export const tablesFile = "etc/acpi/tables";
export const rsdpFile = "etc/acpi/rsdp";

/** A table with the common header (ACPI Specification, "System Description Table Header"). */
function table(signature: string, revision: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(36 + body.length);
  const view = new DataView(bytes.buffer);
  bytes.set(ascii(signature));
  view.setUint32(4, bytes.length, true);
  bytes[8] = revision;
  // OEM id of six characters, table id of eight.
  bytes.set(ascii("VITRINVITRINPC"), 10);
  view.setUint32(24, 1, true);
  bytes.set(ascii("VTRN"), 28);
  view.setUint32(32, 1, true);
  bytes.set(body, 36);
  return bytes;
}

/** Fixed ACPI Description Table of revision 1, as the PIIX4 of its time had it. */
function fadt(): Uint8Array {
  const bytes = new Uint8Array(116 - 36);
  const view = new DataView(bytes.buffer);
  const dword = (at: number, v: number) => view.setUint32(at - 36, v, true);
  const byte = (at: number, v: number) => view.setUint8(at - 36, v);
  view.setUint16(46 - 36, sciInterrupt, true);
  dword(48, 0xb2);
  byte(52, acpiEnable);
  byte(53, acpiDisable);
  dword(56, pmBase);
  dword(64, pmBase + 4);
  dword(76, pmBase + 8);
  dword(80, gpe0Base);
  byte(88, 4);
  byte(89, 2);
  byte(91, 4);
  byte(92, 4);
  // C2 and C3 latencies beyond use say that there are none.
  view.setUint16(96 - 36, 0xfff, true);
  view.setUint16(98 - 36, 0xfff, true);
  byte(108, 0x32);
  // Legacy devices and an 8042.
  view.setUint16(109 - 36, 3, true);
  // WBINVD, PROC_C1, SLP_BUTTON absent, RTC wake not fixed, TMR 24 bits.
  dword(112, 1 | 4 | 0x20 | 0x40);
  return table("FACP", 1, bytes);
}

function facs(): Uint8Array {
  const bytes = new Uint8Array(64);
  bytes.set(ascii("FACS"));
  bytes[4] = 64;
  return bytes;
}

/** Multiple APIC Description Table: local APICs, one IOAPIC, the timer on pin 2, SCI level and active high. */
function madt(cpus: number): Uint8Array {
  const body = [0, 0, 0xe0, 0xfe, 1, 0, 0, 0];
  for (let i = 0; i < cpus; i++) body.push(0, 8, i, i, 1, 0, 0, 0);
  body.push(1, 12, cpus, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0);
  body.push(2, 10, 0, 0, 2, 0, 0, 0, 0, 0);
  for (const irq of [5, 9, 10, 11]) body.push(2, 10, 0, irq, irq, 0, 0, 0, 0x0d, 0);
  body.push(4, 6, 0xff, 0, 0, 1);
  return table("APIC", 1, Uint8Array.from(body));
}

function hpet(): Uint8Array {
  const body = new Uint8Array(20);
  const view = new DataView(body.buffer);
  view.setUint32(0, 0x8086a201, true);
  view.setUint32(8, 0xfed00000, true);
  return table("HPET", 1, body);
}

/** All tables and the script that links them: the one generator behind fw_cfg and direct boot. */
export function makeAcpi(config: AcpiConfig): AcpiTables {
  const script = new Script();
  script.allocate(rsdpFile, 16, "fseg");
  script.allocate(tablesFile, 64, "high");
  const parts: Uint8Array[] = [];
  let length = 0;
  const add = (bytes: Uint8Array, checksum = true): number => {
    const at = length;
    const padded = new Uint8Array(bytes.length + ((64 - (bytes.length % 64)) % 64));
    padded.set(bytes);
    parts.push(padded);
    length += padded.length;
    if (checksum) script.checksum(tablesFile, at + 9, at, bytes.length);
    return at;
  };
  const facsAt = add(facs(), false);
  const dsdtAt = add(table("DSDT", 1, dsdtBody(config.ramSize)));
  // Checksums come last, when every pointer inside the table has its value.
  const fadtAt = add(fadt());
  const listed = [fadtAt, add(madt(config.cpus)), ...(config.hpet === false ? [] : [add(hpet())])];
  const rsdtAt = add(table("RSDT", 1, new Uint8Array(4 * listed.length)));
  const tables = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    tables.set(part, at);
    at += part.length;
  }
  const pointer = (file: Uint8Array, fileName: string, where: number, target: number) => {
    new DataView(file.buffer).setUint32(where, target, true);
    script.pointer(fileName, tablesFile, where, 4);
  };
  pointer(tables, tablesFile, fadtAt + 36, facsAt);
  pointer(tables, tablesFile, fadtAt + 40, dsdtAt);
  listed.forEach((t, i) => {
    pointer(tables, tablesFile, rsdtAt + 36 + 4 * i, t);
  });
  const rsdp = new Uint8Array(20);
  rsdp.set(ascii("RSD PTR "));
  rsdp.set(ascii("VITRIN"), 9);
  pointer(rsdp, rsdpFile, 16, rsdtAt);
  script.checksum(rsdpFile, 8, 0, 20);
  return {
    files: new Map([
      [tablesFile, tables],
      [rsdpFile, rsdp],
    ]),
    commands: script.commands(),
  };
}
