import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { assembleGuest } from "../../../guests/build.ts";
import { parseCpu } from "../../isa/index.ts";
import { observeTcg, TcgVm } from "../../tcg/index.ts";
import { Machine } from "../machine.ts";
import { userMemorySize } from "../public.ts";
import { give } from "./inputlog.ts";
import type { GuestConfig } from "./protocol.ts";
import { MachineSession } from "./session.ts";

const module = new WebAssembly.Module(readFileSync(new URL("../../../build/core.wasm", import.meta.url)));
const ramSize = 16 << 20, FRAME = 17_000_000;
const kernel = { name: "picture", bytes: assembleGuest("picture").bytes };
const config: GuestConfig = { name: "picture", accel: "tcg", cpu: "qemu64", ramSize, append: "", rtcBase: 1_767_225_600, kernel, vga: "std", paused: true };
const newVm = () => TcgVm.create({ module, ramSize, userMemory: userMemorySize(ramSize, 0, "std"), cpu: parseCpu("qemu64") });

test("keys, moves and what is typed carry their t: given again at those times they make the same run", async () => {
  const session = new MachineSession({
    now: () => performance.now(),
    later: (turn, ms) => { if (ms > 0) setTimeout(turn, ms); else setImmediate(turn); },
    open: async () => {
      const vm = await newVm();
      return { vm, observer: observeTcg(vm, ramSize) };
    },
  });
  await session.boot(config);
  await session.runTo(3 * FRAME);
  session.key("KeyQ", true);
  session.pointer(40, -20, 0, 1);
  await session.runTo(4 * FRAME + 12345);
  session.key("KeyQ", false);
  session.send(new TextEncoder().encode("x"));
  await session.runTo(9 * FRAME);
  const log = session.inputs(), hash = session.stateHash();
  expect(log.map(({ kind, t }) => [kind, t])).toEqual([
    ["key", 3 * FRAME], ["pointer", 3 * FRAME], ["key", 4 * FRAME + 12345], ["serial", 4 * FRAME + 12345],
  ]);
  expect(session.serial()).toContain("mouse 09281400");

  const vm = await newVm(), machine = new Machine(vm, { ramSize, rtcBase: config.rtcBase, kernel, vga: "std", append: "" });
  for (const { t, ...input } of log) {
    machine.run(t);
    give(machine, input);
  }
  machine.run(9 * FRAME);
  expect(machine.stateHash()).toBe(hash);
  // Without them it is another run.
  const quiet = new Machine(await newVm(), { ramSize, rtcBase: config.rtcBase, kernel, vga: "std", append: "" });
  quiet.run(9 * FRAME);
  expect(quiet.stateHash()).not.toBe(hash);
});
