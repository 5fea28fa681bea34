import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { decode, encode, type Saved, SavedRecord, StateError } from "../base/index.ts";
import { testMachine } from "./fixtures/dirtier.ts";

const firmware = new URL("../../guests/cache/seabios/bios-256k.bin", import.meta.url);
const seabios = () => ({ bios: { name: "seabios", bytes: new Uint8Array(readFileSync(firmware)) }, nographic: true });

test("a machine saved at any t and loaded into a fresh one goes on to the same hash", async () => {
  for (const t of [1, 57, 12_345, 1_000_003]) {
    const a = await testMachine(), b = await testMachine();
    a.runTo(t);
    b.machine.loadFile(a.machine.saveFile());
    expect(b.vm.clock.now()).toBe(t);
    expect(b.machine.stateHash()).toBe(a.machine.stateHash());
    a.runTo(t + 300_000);
    b.runTo(t + 300_000);
    expect(b.machine.stateHash()).toBe(a.machine.stateHash());
  }
}, 60_000);

test.runIf(existsSync(firmware))("firmware with its timers and interrupts does so, too", async () => {
  for (const t of [200_000, 5_000_000, 17_000_001]) {
    const a = await testMachine(seabios()), b = await testMachine(seabios());
    a.runTo(t);
    b.machine.loadFile(a.machine.saveFile());
    a.runTo(t + 10_000_000);
    b.runTo(t + 10_000_000);
    expect(b.machine.stateHash()).toBe(a.machine.stateHash());
  }
}, 60_000);

test("the hash is that of the canonical state and of the SHA-256 of every page in the order of addresses", async () => {
  const { machine, vm, runTo } = await testMachine();
  runTo(100_000);
  const digests: Uint8Array[] = [];
  const page = new Uint8Array(4096);
  // 640 KiB, then what PAM shows, here RAM from C0000 to FFFFF, then the rest; of the VGA window the text is memory.
  for (let gpa = 0; gpa < 16 << 20; gpa += 4096) {
    if (gpa >= 0xa0000 && gpa < 0xb8000) continue;
    vm.memory.read(gpa, page);
    digests.push(createHash("sha256").update(page).digest());
  }
  expect(Buffer.compare(vm.pageDigests(), Buffer.concat(digests))).toBe(0);
  const whole = createHash("sha256").update(encode(machine.save()));
  for (const digest of digests) whole.update(digest);
  expect(machine.stateHash()).toBe(whole.digest("hex"));
});

test.each<[number, number, number]>([
  [1000, 500_000, Infinity],
  [777, 500_000, 100_000],
  [1, 20_000, Infinity],
])("slices of %i instructions lead to the hash of one slice, however often it is taken", async (slice, end, looks) => {
  const cut = await testMachine(), whole = await testMachine();
  for (const { machine } of [cut, whole]) machine.type(new TextEncoder().encode("hello"));
  for (let t = looks; t < end; t += looks) {
    cut.runTo(t, slice);
    cut.machine.stateHash();
  }
  cut.runTo(end, slice);
  whole.runTo(end);
  expect([cut.vm.clock.now(), cut.machine.stateHash()]).toEqual([end, whole.machine.stateHash()]);
  expect(cut.serial()).toBe(whole.serial());
});

test.runIf(existsSync(firmware))("firmware reaches the same hash in slices of 1,000 and of 20 million", async () => {
  const hashes: string[] = [];
  for (const slice of [1000, 20_000_000]) {
    const { machine, runTo } = await testMachine(seabios());
    runTo(25_000_000, slice);
    hashes.push(machine.stateHash());
  }
  expect(hashes[0]).toBe(hashes[1]);
}, 60_000);

test("one byte of memory, one register or one tick makes another hash", async () => {
  const { machine, vm, runTo } = await testMachine();
  runTo(1000);
  const hashes = [machine.stateHash()];
  vm.memory.writeU8(0x654321, 1);
  hashes.push(machine.stateHash());
  vm.memory.writeU8(0x654321, 0);
  expect(machine.stateHash()).toBe(hashes[0]);
  vm.setRegs({ ...vm.regs(), r15: 1n });
  hashes.push(machine.stateHash());
  runTo(1001);
  hashes.push(machine.stateHash());
  expect(new Set(hashes).size).toBe(4);
});

test("guest writes through a warm translation are seen by the next hash and by the dirty log", async () => {
  const { machine, vm, runTo } = await testMachine({ pages: 4 });
  runTo(50_000);
  const before = machine.stateHash();
  vm.setDirtyLog(true);
  expect(vm.dirtyLog().every((byte) => byte === 0)).toBe(true);
  runTo(60_000);
  const log = vm.dirtyLog();
  // 2 MiB is page 512: four pages and the copy.
  expect([log[64], log.filter((byte) => byte !== 0).length]).toEqual([0x1f, 1]);
  expect(machine.stateHash()).not.toBe(before);
});

test("input that the serial port has no room for is saved with the machine", async () => {
  const a = await testMachine(), b = await testMachine();
  const text = "0123456789".repeat(1000);
  expect(a.machine.type(new TextEncoder().encode(text))).toBe(10_000);
  a.runTo(1_000_000);
  b.machine.loadFile(a.machine.saveFile());
  b.runTo(60_000_000, 1_000_000);
  expect(a.serial().length).toBeGreaterThan(0);
  expect(a.serial() + b.serial() === text).toBe(true);
});

test("a damaged file is refused, and the machine is as it was", async () => {
  const a = await testMachine(), b = await testMachine(), small = await testMachine({ ramSize: 8 << 20 });
  a.runTo(20_000);
  b.runTo(10_000);
  const file = a.machine.saveFile(), before = b.machine.stateHash();
  expect(file.length).toBeLessThan(600_000);
  for (const length of [0, 7, 11, 40, 1000, file.length - 4096, file.length - 1]) {
    expect(() => b.machine.loadFile(file.subarray(0, length))).toThrow(StateError);
  }
  for (let at = 0; at < file.length; at += 3571) {
    const bad = file.slice();
    bad[at] = (bad[at] ?? 0) ^ 0x10;
    expect(() => b.machine.loadFile(bad)).toThrow(StateError);
  }
  expect(() => small.machine.loadFile(file)).toThrow(/pages for a machine of/);
  expect(b.machine.stateHash()).toBe(before);
});

/** The state with one value replaced, wherever the path leads. */
function changed(state: Saved, path: readonly string[], value: Saved): Saved {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (Array.isArray(state)) return state.map((v, i) => (String(i) === key ? changed(v, rest, value) : v));
  const r = state as { [key: string]: Saved };
  return { ...r, [key]: changed(r[key] ?? null, rest, value) };
}

test.each<[string, readonly string[], Saved]>([
  ["a clock before the beginning", ["accel", "t"], -1],
  ["a clock that never comes", ["accel", "t"], Infinity],
  ["no CPU", ["accel", "cpus"], []],
  ["a register of 65 bits", ["accel", "cpus", "0", "regs", "rax"], 1n << 64n],
  ["a selector of 17 bits", ["accel", "cpus", "0", "segments", "cs", "selector"], 0x10000],
  ["an unknown MSR", ["accel", "cpus", "0", "msrs", "0"], [0xdeadbeef, 0n]],
  ["an MSR with a value it cannot hold", ["accel", "cpus", "0", "msrs", "11"], [0x277, 0x0202020202020202n]],
  ["a short XSAVE image", ["accel", "cpus", "0", "xsave"], new Uint8Array(511)],
  ["an unknown MP state", ["accel", "cpus", "0", "mpState"], "asleep"],
  ["events out of range", ["accel", "cpus", "0", "events", "shadow"], 3],
  ["VMX operation that is none", ["accel", "nested"], new Uint8Array(3)],
  ["no interrupt chips", ["accel", "irqchip"], null],
  ["no devices", ["devices"], {}],
])("restore refuses %s", async (_what, path, value) => {
  const { machine } = await testMachine();
  const state = decode(encode(machine.save()));
  machine.restore(state);
  expect(() => machine.restore(changed(state, path, value))).toThrow(StateError);
});

test("an unusable segment is its selector, and the stack's privilege level", async () => {
  const { machine, vm } = await testMachine();
  const sregs = vm.sregs();
  vm.setSregs({ ...sregs, fs: { ...sregs.fs, selector: 3, base: 0x1234n, limit: 7, unusable: 1 } });
  const segments = (r: Saved) => {
    const [cpu] = new SavedRecord("test", r).record("accel").list("cpus");
    return new SavedRecord("cpu", cpu ?? null).record("segments");
  };
  expect(segments(machine.save()).value("fs")).toEqual({ selector: 3, unusable: 1, dpl: 0 });
});
