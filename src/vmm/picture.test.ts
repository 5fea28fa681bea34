// The guest guests/picture.asm on the standard VGA: mode setting, the framebuffer's dirty log, keyboard and mouse.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { assembleGuest } from "../../guests/build.ts";
import { decode, encode } from "../base/index.ts";
import { parseCpu } from "../isa/index.ts";
import { TcgVm } from "../tcg/index.ts";
import { KvmAccel } from "./accel-kvm.ts";
import { Monitor, type ScreenUpdate } from "./devices/monitor.ts";
import { userMemorySize } from "./layout.ts";
import { Machine } from "./machine.ts";

const module = new WebAssembly.Module(readFileSync(new URL("../../build/core.wasm", import.meta.url)));
const ramSize = 16 << 20;
const BACK = 0xff550000, WANDERER = 0xff00fcfc, FRAME = 17_000_000;
type Picture = Extract<ScreenUpdate, { kind: "picture" }>;

async function open(accel: "tcg" | "kvm", silicon: "intel" | "amd" = "intel") {
  const settings = { module, ramSize, userMemory: userMemorySize(ramSize, 0, "std"), cpu: parseCpu("qemu64,kvm=off,-hypervisor"), silicon };
  const vm = accel === "kvm" ? await KvmAccel.create(settings) : await TcgVm.create(settings);
  let serial = "";
  const machine = new Machine(vm, {
    ramSize, vga: "std", rtcBase: 1_767_225_600, kernel: { name: "picture", bytes: assembleGuest("picture").bytes },
    onSerial: (b) => { serial += new TextDecoder("latin1").decode(b); },
  });
  const monitor = new Monitor(machine.vga, machine.stdVga?.vbe);
  const run = (ns: number): void => {
    const stop = machine.run(vm.clock.now() + ns);
    if (stop.kind !== "budget") throw new Error(JSON.stringify(stop));
  };
  const look = (all = false): Picture => {
    const update = monitor.look(all);
    if (update?.kind !== "picture") throw new Error(`no picture: ${update?.kind}`);
    return update;
  };
  return { machine, monitor, run, look, serial: () => serial };
}
const pixels = (p: Picture): Uint32Array => new Uint32Array(p.bands[0]?.pixels.buffer ?? new ArrayBuffer(0));

describe.each([["tcg", "intel"], ["kvm", "intel"], ["kvm", "amd"]] as const)("on %s, %s", (accel, silicon) => {
  test("every depth shows the same picture, and only what is written comes again", async () => {
    const { machine, run, look, monitor, serial } = await open(accel, silicon);
    run(3 * FRAME);
    expect(serial()).toBe("picture: 640 x 480\r\n");
    for (const [key, depth] of [["Digit1", 8], ["Digit2", 16], ["Digit3", 24], ["Digit4", 32]] as const) {
      machine.i8042.key(key, true);
      run(2 * FRAME);
      machine.i8042.key(key, false);
      run(2 * FRAME);
      const whole = look();
      expect([whole.width, whole.height, whole.format, whole.whole]).toEqual([640, 480, `${depth} bits a pixel`, true]);
      const all = pixels(whole);
      const count = (colour: number): number => all.filter((p) => (p & 0xf8f8f8) === (colour & 0xf8f8f8)).length;
      expect(count(WANDERER)).toBe(48 * 48);
      expect(count(BACK)).toBe(640 * 480 - 48 * 48 - 12 * 12);
      run(FRAME);
      const next = look();
      expect(next.whole).toBe(false);
      const lines = next.bands.reduce((sum, band) => sum + band.lines, 0);
      // The square moves by two lines; a page holds a line and a bit, or some at eight bits.
      expect(lines).toBeGreaterThanOrEqual(50);
      expect(lines).toBeLessThan(100);
      expect(monitor.look(false)).toBeUndefined();
    }
  });

  test("keys arrive in set 1, packets of the mouse with its wheel, as interrupts 1 and 12", async () => {
    const { machine, run, serial } = await open(accel, silicon);
    run(2 * FRAME);
    machine.i8042.key("KeyA", true);
    machine.i8042.key("KeyA", false);
    machine.i8042.key("ArrowUp", true);
    run(FRAME);
    machine.i8042.mouse.move(5, -3, 1, 1);
    machine.i8042.mouse.move(-300, 0, 0);
    run(2 * FRAME);
    expect(serial().split("\r\n").slice(1, -1)).toEqual([
      "key 1e", "key 9e", "key e0", "key 48", "mouse 2905fd01", "mouse 18010000", "mouse 18d30000",
    ]);
  });
});

test("bare and under KVM it is one machine, and a saved one goes on", async () => {
  const all = await Promise.all([open("tcg"), open("kvm"), open("kvm", "amd")]);
  for (const t of [FRAME, 3 * FRAME, 20 * FRAME]) {
    for (const { machine, monitor } of all) {
      machine.run(t);
      // Looking at the screen changes nothing.
      if (machine === all[1]?.machine) monitor.look(true);
    }
    const [a, b, c] = all.map(({ machine }) => machine.stateHash());
    expect([b, c]).toEqual([a, a]);
  }
  const [from, , to] = all;
  const fresh = await open("kvm");
  fresh.machine.loadFile(from.machine.saveFile());
  expect(fresh.look(true).width).toBe(640);
  for (const { run } of [from, to, fresh]) run(10 * FRAME);
  expect([fresh.machine.stateHash(), to.machine.stateHash()]).toEqual([from.machine.stateHash(), from.machine.stateHash()]);
  expect(Buffer.compare(encode(decode(encode(from.machine.save()))), encode(from.machine.save()))).toBe(0);
});

test("writes to the framebuffer cost no exit each: the log's are counted apart", async () => {
  const { machine, run, look } = await open("kvm");
  run(3 * FRAME);
  look(true);
  const { stats } = machine.accel as KvmAccel,
    before = stats.exits;
  run(30 * FRAME);
  // Sixty pictures a second of 2,300 pixels each.
  expect(stats.exits - before).toBeLessThan(30 * 20);
});
