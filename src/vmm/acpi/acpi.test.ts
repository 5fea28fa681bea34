import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ArrayMemory, readBytes } from "../memory.ts";
import { dsdtBody } from "./dsdt.ts";
import { encodeScript, runScript } from "./script.ts";
import { makeAcpi, rsdpFile } from "./tables.ts";

const acpi = makeAcpi({ ramSize: 128 << 20, cpus: 2 });

function install() {
  const memory = new ArrayMemory(2 << 20);
  const where = runScript(acpi.commands, acpi.files, memory, 0xe0000);
  const table = (at: number) => readBytes(memory, at, memory.readU32(at + 4));
  const sum = (bytes: Uint8Array) => bytes.reduce((a, b) => (a + b) & 0xff, 0);
  return { memory, where, table, sum };
}

const signature = (bytes: Uint8Array) => String.fromCharCode(...bytes.subarray(0, 4));

test("our own run of the script puts the RSDP at E0000h and every checksum and pointer right", () => {
  const { memory, where, table, sum } = install();
  expect(where.get(rsdpFile)).toBe(0xe0000);
  expect(new TextDecoder().decode(readBytes(memory, 0xe0000, 8))).toBe("RSD PTR ");
  expect(sum(readBytes(memory, 0xe0000, 20))).toBe(0);
  const rsdtAt = memory.readU32(0xe0010);
  const rsdt = table(rsdtAt);
  expect([signature(rsdt), sum(rsdt)]).toEqual(["RSDT", 0]);
  const listed = [0, 1, 2].map((i) => memory.readU32(rsdtAt + 36 + 4 * i));
  expect(listed.map((at) => [signature(table(at)), sum(table(at))])).toEqual([
    ["FACP", 0],
    ["APIC", 0],
    ["HPET", 0],
  ]);
  const fadt = listed[0] ?? 0;
  const dsdt = table(memory.readU32(fadt + 40));
  expect([signature(dsdt), sum(dsdt)]).toEqual(["DSDT", 0]);
  expect(signature(readBytes(memory, memory.readU32(fadt + 36), 4))).toBe("FACS");
  expect([memory.readU16(fadt + 46), memory.readU32(fadt + 76), memory.readU8(fadt + 91)]).toEqual([
    9, 0x608, 4,
  ]);
});

test("all tables fit between E0000h and FFFFFh", () => {
  const bytes = [...acpi.files.values()].reduce((n, f) => n + f.length, 0);
  expect(bytes).toBeLessThan(0x10000);
});

test("MADT lists each CPU, the IOAPIC, the timer on pin 2 and SCI as level", () => {
  const { memory, table } = install();
  const madt = table(memory.readU32(memory.readU32(0xe0010) + 40));
  const entries: number[][] = [];
  for (let at = 44; at < madt.length; at += madt[at + 1] as number) {
    entries.push([...madt.subarray(at, at + (madt[at + 1] as number))]);
  }
  expect(entries.filter((e) => e[0] === 0).map((e) => e[3])).toEqual([0, 1]);
  expect(entries.find((e) => e[0] === 1)).toEqual([1, 12, 2, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0]);
  expect(entries.filter((e) => e[0] === 2).map((e) => [e[3], e[4], e[8]])).toEqual([
    [0, 2, 0],
    [5, 5, 13],
    [9, 9, 13],
    [10, 10, 13],
    [11, 11, 13],
  ]);
});

test("the script for firmware allocates, points and sums in 128-byte entries", () => {
  const bytes = encodeScript(acpi.commands);
  const kinds = acpi.commands.map((_, i) => new DataView(bytes.buffer).getUint32(128 * i, true));
  expect(bytes.length).toBe(128 * acpi.commands.length);
  expect(kinds.filter((k) => k === 1).length).toBe(2);
  expect(kinds).toEqual([...kinds].sort());
  expect(new TextDecoder().decode(bytes.subarray(4, 16))).toBe("etc/acpi/rsd");
});

/** iasl's disassembly of the DSDT, or undefined where it is not installed. */
function disassemble(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "acpi-"));
  try {
    const { memory, table } = install();
    writeFileSync(
      join(folder, "dsdt.aml"),
      table(memory.readU32(memory.readU32(memory.readU32(0xe0010) + 36) + 40)),
    );
    execFileSync("iasl", ["-d", "dsdt.aml"], { cwd: folder, stdio: "pipe" });
    return readFileSync(join(folder, "dsdt.dsl"), "latin1");
  } catch {
    return undefined;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("the DSDT disassembles to what was meant, where iasl is installed, and always has its fixed size", () => {
  const dsl = disassemble();
  if (dsl !== undefined) {
    for (const part of [
      "Device (PCI0)",
      'EisaId ("PNP0A03")',
      "Device (COM1)",
      "Device (LNKD)",
      "Name (\\_S5,",
      "OperationRegion (PIRQ, PCI_Config, 0x60, 0x04)",
      "FindSetRightBit (IRQS, Local0)",
    ]) {
      expect(dsl).toContain(part);
    }
  }
  expect(dsdtBody(128 << 20).length).toBe(dsdtBody(3072 * 2 ** 20).length);
});
