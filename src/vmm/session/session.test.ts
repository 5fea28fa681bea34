import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { assembleGuest, type GuestName } from "../../../guests/build.ts";
import { openLab } from "../../../labs/index.ts";
import { type Observer, StateError } from "../../base/index.ts";
import { assemble, parseCpu } from "../../isa/index.ts";
import { observeTcg, TcgVm } from "../../tcg/index.ts";
import { dirtier } from "../fixtures/dirtier.ts";
import { KvmAccel, userMemorySize } from "../public.ts";
import { observeKvm } from "./observe-kvm.ts";
import type { GuestConfig, Wants } from "./protocol.ts";
import { MachineSession } from "./session.ts";

const module = new WebAssembly.Module(readFileSync(new URL("../../../build/core.wasm", import.meta.url)));
const RAM = 16 << 20;

/** A session whose event loop is Node's, and the observer of its latest machine. */
function newSession(): { session: MachineSession; observer: () => Observer } {
  let observer: Observer | undefined;
  const session = new MachineSession({
    now: () => performance.now(),
    later: (turn, ms) => { if (ms > 0) setTimeout(turn, ms); else setImmediate(turn); },
    open: async ({ accel, cpu, cpus = 1, ramSize }) => {
      const options = { module, ramSize, userMemory: userMemorySize(ramSize, 0), cpu: parseCpu(cpu), cpus };
      if (accel === "kvm") {
        const vm = await KvmAccel.create(options);
        observer = observeKvm(vm, ramSize);
        return { vm, observer };
      }
      const vm = await TcgVm.create(options);
      observer = observeTcg(vm, ramSize);
      return { vm, observer };
    },
  });
  return { session, observer: () => observer as Observer };
}

const configOf = (accel: "kvm" | "tcg", name: string, bytes: Uint8Array): GuestConfig => ({
  name, accel, cpu: "qemu64", ramSize: RAM, append: "", rtcBase: 1_767_225_600, kernel: { name, bytes },
});

async function booted(accel: "kvm" | "tcg", name: GuestName = "two-processes") {
  const made = newSession();
  await made.session.boot(configOf(accel, name, assembleGuest(name).bytes));
  made.session.pause();
  return made;
}

const u64 = (bytes: Uint8Array): bigint => Buffer.from(bytes).readBigUInt64LE();
const wants: Wants = { observe: true, cpu: 0, code: false, exits: true, marks: false, screen: false, tables: [], address: undefined };

describe("translate", () => {
  const { guest } = openLab("five-movs");
  const { bytes, symbols } = assemble(guest);

  async function lab(accel: "kvm" | "tcg") {
    const { session, observer } = newSession();
    await session.boot(configOf(accel, "five-movs", bytes));
    session.pause();
    for (let n = 0; n < 20_000; n++) {
      session.step();
      const seen = session.frame(wants).observation;
      if (seen?.regs.rip === symbols.get("case_mapped")) return { session, observer };
    }
    throw new Error("the guest did not come to its second case");
  }

  test("under EPT lists every reference of both walks, each as its bytes in memory say, as many as the processor then makes", async () => {
    const { session, observer } = await lab("kvm");
    const t = session.translate(0x400000n);
    expect(t.steps.map((s) => s.n)).toEqual(Array.from({ length: 19 }, (_, i) => i + 1));
    expect(t.rows.map((r) => [r.ept.references.length, r.guest?.name])).toEqual(
      [[3, "PML4"], [3, "PDPT"], [3, "PD"], [3, "PT"], [3, undefined]]);
    for (const step of t.steps) {
      const at = Number(step.address);
      expect(u64(step.by === "ept" ? session.readHost(at, 8) : session.readPhysical(at, 8)), `reference ${step.n}`).toBe(step.value);
    }
    // A guest table's entry lies where EPT says that it lies.
    for (const { gpa, ept } of t.rows) {
      expect(session.readHost(Number(ept.hpa), 8)).toEqual(session.readPhysical(Number(gpa), 8));
    }
    expect([t.gpa, t.hpa]).toEqual([0x300000n, t.rows.at(-1)?.ept.hpa]);
    const before = observer().counters().walkReferences;
    session.step();
    expect(observer().counters().walkReferences - before).toBe(19);
  });

  test("on the bare machine it is a walk in one dimension, and there is no host to read", async () => {
    const { session } = await lab("tcg");
    const t = session.translate(0x400000n);
    expect([t.steps.length, t.rows, t.hpa, t.gpa]).toEqual([4, [], undefined, 0x300000n]);
    expect(() => session.readHost(0, 8)).toThrow("boot it under KVM");
  });

  test("an address that EPT does not map ends in a violation, one that the guest does not map in a fault", async () => {
    const { session } = await lab("kvm");
    const device = session.translate(0x403010n);
    expect([device.gpa, device.hpa, device.steps.at(-1)?.by]).toEqual([0xfed00010n, undefined, "ept"]);
    expect(device.violation).toMatch(/^EPT P\w+ entry \d+ is not present: EPT violation$/);
    expect(session.translate(0x7000000n)).toMatchObject({ gpa: undefined, hpa: undefined, fault: expect.stringContaining("PD entry 56") });
  });
});

test("the second stage's tables show the frames that its walk goes through", async () => {
  const { session } = await booted("kvm");
  await session.runTo(200_000);
  const root = session.frame(wants).observation?.eptRoot ?? 0n;
  const row = session.translate(0x100000n).rows.at(-1);
  let from = 0n, table = root;
  for (const reference of row?.ept.references ?? []) {
    const [view] = session.frame({ ...wants, tables: [{ stage: "ept", table, level: reference.level, from }] }).observation?.tables ?? [];
    const found = view?.rows.find((r) => r.index <= reference.index && reference.index < r.index + r.count);
    expect(found).toMatchObject({ flags: reference.flags });
    from = found?.from ?? 0n;
    table = found?.target ?? 0n;
  }
});

test("with a walk come the tables that it goes through, so that trees open along it at once", async () => {
  const { session } = await booted("kvm", "hello64");
  await session.runTo(2_000_000);
  const eptRoot = session.frame(wants).observation?.eptRoot ?? 0n;
  const { walk, tables = [] } = session.frame({ ...wants, address: "rip", tables: [{ stage: "ept", table: eptRoot, level: 4, from: 0n }] }).observation ?? {};
  const through = [...(walk?.references ?? []).map((r) => ["guest", r] as const), ...(walk?.rows.at(-1)?.ept.references ?? []).map((r) => ["ept", r] as const)];
  expect(tables.length).toBe(through.length);
  for (const [stage, reference] of through) {
    const address = (stage === "guest" ? walk?.gva : walk?.gpa) ?? 0n;
    const view = tables.find((v) => v.stage === stage && v.table === reference.table && v.level === reference.level);
    const row = view?.rows.find((r) => r.index <= reference.index && reference.index < r.index + r.count);
    expect(row).toBeDefined();
    expect((row?.from ?? 0n) <= address && address < (row?.from ?? 0n) + BigInt((row?.pageSize ?? 0) * (row?.count ?? 0))).toBe(true);
  }
});

test.each(["tcg", "kvm"] as const)("%s: runTo stops at exactly that instruction and reports progress on its way", async (accel) => {
  const { session } = await booted(accel);
  const states = new Set<string>();
  const done = session.runTo(20_000_001);
  const spy = setInterval(() => { states.add(session.frame({ ...wants, observe: false }).state); }, 1);
  expect(await done).toBe(20_000_001);
  clearInterval(spy);
  expect(session.frame(wants)).toMatchObject({ t: 20_000_001, state: "paused" });
});

test("pausing ends a run to an instruction, which says how far it came", async () => {
  const { session } = await booted("tcg", "hello64");
  const done = session.runTo(1e12);
  await new Promise((turn) => { setTimeout(turn, 20); });
  expect(session.frame(wants).state).toBe("running");
  session.pause();
  const t = await done;
  expect(t).toBeLessThan(1e12);
  expect(session.frame(wants)).toMatchObject({ t, state: "paused" });
});

test("the next exit stops right behind one exit, at its t or when its instruction is done", async () => {
  const { session, observer } = await booted("kvm");
  await session.runTo(100_000);
  session.frame(wants);
  const exits = () => Object.values(session.stats().exits).reduce((a, b) => a + b, 0);
  for (let n = 0; n < 40; n++) {
    const before = exits();
    await session.stepExit();
    expect(exits()).toBe(before + 1);
    const last = observer().exits()?.records.at(-1);
    const t = session.frame(wants).t;
    expect([last?.t, (last?.t ?? 0) + 1]).toContain(t);
  }
});

test("an exit record says what was asked for, where, and whether user space was asked", async () => {
  const { session, observer } = await booted("kvm");
  session.frame(wants);
  await session.runTo(200_000);
  const records = observer().exits()?.records ?? [];
  const out = records.find((r) => r.reason === "IO_INSTRUCTION" && r.qualification.includes("port 0x3f8"));
  expect(out).toMatchObject({ user: true, qualification: expect.stringMatching(/^size 1, direction (in|out), .*port 0x3f/) });
  expect(records.filter((r) => r.reason === "EXTERNAL_INTERRUPT").every((r) => !r.user)).toBe(true);
});

test("pages written and touched are the same under KVM as on the bare machine, and each look starts anew", async () => {
  const marks: (number[] | undefined)[][] = [];
  for (const accel of ["tcg", "kvm"] as const) {
    const { session } = newSession();
    await session.boot({ ...configOf(accel, "dirtier", dirtier(40, 500)), cpu: "qemu64,kvm=off,-hypervisor", paused: true });
    const seen: (number[] | undefined)[] = [];
    for (const t of [50_000, 50_001, 50_300, 120_000]) {
      await session.runTo(t);
      seen.push(session.dirty());
      expect(session.dirty()).toEqual([]);
      const map = session.frame({ ...wants, marks: true }).observation?.marks;
      seen.push(map && [...map.keys()].filter((page) => (map[page] ?? 0) & 4));
    }
    marks.push(seen);
  }
  expect(marks[0]?.[6]).toEqual(expect.arrayContaining(Array.from({ length: 41 }, (_, i) => 512 + i)));
  expect(marks[1]).toEqual(marks[0]);
});

test.each(["tcg", "kvm"] as const)("each of several processors can be shown, %s, and a look at one changes nothing", async (accel) => {
  const { session } = newSession(), guest = { ...configOf(accel, "four-cpus", assembleGuest("four-cpus").bytes), cpus: 4, paused: true };
  await session.boot(guest);
  await session.runTo(3_000_000);
  const hash = session.stateHash();
  const seen = [0, 1, 2, 3, 99, -1, Number.NaN].map((cpu) => session.frame({ ...wants, cpu }).observation);
  expect(seen.map((s) => [s?.cpu, s?.cpuCount])).toEqual([[0, 4], [1, 4], [2, 4], [3, 4], [3, 4], [0, 4], [0, 4]]);
  // Each has a stack of its own.
  expect(new Set(seen.slice(0, 4).map((s) => s?.regs.rsp)).size).toBe(4);
  expect(session.stateHash()).toBe(hash);
});

test("a trace that nobody looks at is off", async () => {
  const { session, observer } = await booted("kvm");
  session.frame({ ...wants, exits: false });
  await session.runTo(100_000);
  expect(observer().exits()?.records).toEqual([]);
  expect(observer().exits()?.counts.length).toBeGreaterThan(0);
});

describe.each(["tcg", "kvm"] as const)("a saved state, %s", (accel) => {
  test("comes back with its hash, its console and its clock, in another session too, and goes on alike", async () => {
    const { session } = await booted(accel);
    await session.runTo(300_000);
    const hash = session.stateHash(), serial = session.serial();
    const file = session.saveState();
    await session.runTo(2_000_000);
    const later = session.stateHash();
    expect(later).not.toBe(hash);
    const other = newSession().session;
    for (const s of [session, other]) {
      const config = await s.restoreState(file);
      expect([config.name, config.accel, s.stateHash(), s.serial()]).toEqual(["two-processes", accel, hash, serial]);
      expect(s.frame(wants)).toMatchObject({ t: 300_000, state: "paused" });
      await s.runTo(2_000_000);
      expect(s.stateHash()).toBe(later);
    }
  });

  test("is refused when it is damaged, cut or of another version, and the machine stays", async () => {
    const { session } = await booted(accel);
    await session.runTo(50_000);
    const file = session.saveState();
    await session.runTo(60_000);
    const hash = session.stateHash();
    const bad = (at: number): Uint8Array => Uint8Array.from(file, (byte, i) => (i === at ? byte ^ 0x10 : byte));
    const files = [file.subarray(0, 0), file.subarray(0, 100), file.subarray(0, file.length - 1), ...[0, 7, 9, 20, 3000, file.length >> 1, file.length - 1].map(bad)];
    for (const f of files) await expect(session.restoreState(f)).rejects.toThrow(StateError);
    await expect(session.restoreState(bad(file.length >> 1))).rejects.toThrow("its check sum is wrong");
    expect([session.stateHash(), session.frame(wants).t]).toEqual([hash, 60_000]);
  });
});
