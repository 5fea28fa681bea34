// The machine's thread: one session, wired to an accelerator, wall time and the page.
import * as Comlink from "comlink";
import { type Core, Jit } from "../src/hw/index.ts";
import { parseCpu } from "../src/isa/index.ts";
import { observeTcg, TcgVm } from "../src/tcg/index.ts";
import {
  type Frame, type GuestConfig, MachineSession, type MigrateOptions, type MigrationProgress, observeKvm, type Wants,
} from "../src/vmm/index.ts";
import { KvmAccel, type PortLike, portChannel, userMemorySize } from "../src/vmm/public.ts";

/** The core's code comes from the page, compiled: two workers that share it share what has been optimized, too. */
let load: (module: WebAssembly.Module) => void;
const module = new Promise<WebAssembly.Module>((done) => { load = done; });

let jit = true;
let stencils: Promise<Uint8Array> | undefined;
let translator: Worker | undefined;
/** Translates hot code as soon as what it takes is there: the guest starts without. */
function translate(core: Core): void {
  if (!jit) return;
  stencils ??= fetch(new URL("../build/stencils.bin", import.meta.url)).then(async (answer) => {
    if (!answer.ok) throw new Error(`stencils.bin: HTTP ${answer.status}`);
    return new Uint8Array(await answer.arrayBuffer());
  });
  translator?.terminate();
  const worker = new Worker(new URL("./translator.worker.ts", import.meta.url), { type: "module" });
  translator = worker;
  stencils.then((file) => {
    core.jit = new Jit(core, file, {
      workshop: {
        post: (message, transfer) => worker.postMessage(message, transfer),
        listen: (arrived) => { worker.onmessage = ({ data }) => arrived(data); },
      },
    });
    if (core.jit.failure !== undefined) console.warn(`The interpreter runs alone: ${core.jit.failure}`);
  }).catch((error: unknown) => console.warn(`The interpreter runs alone: ${error instanceof Error ? error.message : error}`));
}

/** A turn of the event loop that is not throttled to 4 ms, as nested timeouts are. */
const channel = new MessageChannel();
const turns: (() => void)[] = [];
channel.port1.onmessage = () => turns.shift()?.();

const session = new MachineSession({
  // Counted from the same moment as in any other worker: a migration is timed over two of them.
  now: () => performance.timeOrigin + performance.now(),
  later: (turn, ms) => {
    if (ms > 0) setTimeout(turn, ms);
    else {
      turns.push(turn);
      channel.port2.postMessage(0);
    }
  },
  open: async ({ accel, cpu, cpus = 1, ramSize, bios, vga }) => {
    const userMemory = userMemorySize(ramSize, bios?.bytes.length ?? 0, vga);
    const options = { module: await module, ramSize, userMemory, cpu: parseCpu(cpu), cpus };
    if (accel === "kvm") {
      const vm = await KvmAccel.create(options);
      translate(vm.host.core);
      return { vm, observer: observeKvm(vm, ramSize) };
    }
    const vm = await TcgVm.create(options);
    translate(vm.core);
    return { vm, observer: observeTcg(vm, ramSize) };
  },
});

/** What a screen update is made of. */
function pixels({ screen }: Frame): (Uint8Array | Uint8ClampedArray)[] {
  if (!screen) return [];
  return screen.kind === "text" ? [screen.cells] : screen.bands.map((band) => band.pixels);
}

// The browser's MessagePort has more events than a channel needs.
const link = (port: MessagePort) => portChannel(port as unknown as PortLike);
const host = Object.assign(session, {
  /** @param translated hot code is to be translated */
  load: (module: WebAssembly.Module, translated: boolean) => { jit = translated; load(module); },
  /** A state file may be large: it is handed over, not copied. */
  saveFile: () => {
    const file = session.saveState();
    return Comlink.transfer(file, [file.buffer as ArrayBuffer]);
  },
  receiveFrom: (config: GuestConfig, port: MessagePort) => session.receive(config, link(port)),
  migrateOver: (port: MessagePort, options: MigrateOptions, report: (p: MigrationProgress) => void) =>
    session.migrateTo(link(port), options, report),
});
export type MachineHost = typeof host;

Comlink.expose(host);
/** Frames go beside the calls, bytes transferred: the page asks once per animation frame. */
self.addEventListener("message", ({ data }: MessageEvent<{ wants?: Wants }>) => {
  if (!data?.wants) return;
  const frame: Frame = session.frame(data.wants);
  const bytes = [frame.serial, frame.observation?.marks, ...pixels(frame)];
  self.postMessage({ frame }, { transfer: bytes.flatMap((b) => (b ? [b.buffer as ArrayBuffer] : [])) });
});
