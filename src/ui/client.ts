import * as Comlink from "comlink";
import type { MachineHost } from "../../workers/machine.worker.ts";
import { VitrineError } from "../base/errors.ts";
import type { Frame, GuestConfig, MigrateOptions, MigrationProgress } from "../vmm/index.ts";
import type { MachineClient, Moved } from "./machine-client.ts";

/** The core, compiled once for all workers; that it failed is reported where a guest is to be booted. */
const core = fetch(new URL("../../build/core.wasm", import.meta.url)).then((answer) => {
  if (!answer.ok) throw new VitrineError("load", "the core", `HTTP ${answer.status}`, "serve the page's folder as a whole");
  // Not every static host knows the type without which it cannot be compiled as it comes.
  const typed = answer.headers.get("Content-Type")?.startsWith("application/wasm");
  return typed ? WebAssembly.compileStreaming(answer) : answer.arrayBuffer().then((bytes) => WebAssembly.compile(bytes));
});
core.catch(() => {});

/** One worker. */
class Host {
  readonly worker = new Worker(new URL("../../workers/machine.worker.ts", import.meta.url), { type: "module" });
  readonly remote = Comlink.wrap<MachineHost>(this.worker);
  /** Settles when the machine has left for another worker. */
  readonly left: Promise<void>;
  leave: () => void = () => {};

  constructor(take: (frame: Frame) => void) {
    this.left = new Promise((done) => { this.leave = done; });
    this.worker.addEventListener("message", ({ data }: MessageEvent<{ frame?: Frame }>) => {
      if (data?.frame) take(data.frame);
    });
    core.then((module) => this.remote.load(module, new URLSearchParams(location.search).get("jit") !== "off")).catch(() => {});
  }

  end(): void {
    this.leave();
    this.worker.terminate();
  }
}

/** Starts the worker. Nothing else in the page knows that comlink is there. */
export function startMachine(): MachineClient {
  let listener: (frame: Frame) => void = () => {};
  let waiting = false;
  let last: Frame | undefined;
  const take = (frame: Frame) => {
    waiting = false;
    last = frame;
    listener(frame);
  };
  let here = new Host(take);
  let config: GuestConfig | undefined;
  let moving: Promise<unknown> | undefined;
  let cancelled = false;
  /** Pending while the machine is in neither worker: whoever wants something of it waits. */
  let between: Promise<void> | undefined;
  const at = async () => {
    await between;
    return here;
  };

  /** What was said and typed last follows the machine; then the old worker ends. */
  const handOver = async (to: Host) => {
    const from = here;
    // A frame that was asked for before comes before this answer.
    const luggage = await from.remote.leave();
    await to.remote.unpack(luggage);
    here = to;
    waiting = false;
    const state = luggage.running ? "running" : "paused";
    if (last && luggage.fresh) listener({ ...last, state, serial: luggage.fresh, ending: undefined, observation: undefined, screen: undefined });
    from.end();
  };

  const move = async (same: GuestConfig, options: MigrateOptions, report: (p: MigrationProgress) => void): Promise<Moved> => {
    const from = here;
    const to = new Host(take);
    const { port1, port2 } = new MessageChannel();
    const arrived = to.remote.receiveFrom(same, Comlink.transfer(port2, [port2]));
    // A target that was never built answers nothing: the source must not wait for it.
    arrived.catch(() => from.remote.cancelMigration());
    try {
      const result = await from.remote.migrateOver(Comlink.transfer(port1, [port1]), options, Comlink.proxy(report));
      if (result.kind === "cancelled") {
        if (!cancelled) await arrived;
        to.end();
        return { ...result, sourceHash: "", targetHash: "" };
      }
      const handing = handOver(to);
      between = handing;
      await handing;
      const { hash, ranFrom } = await arrived;
      const stood = result.ranUntil === undefined || ranFrom === undefined ? undefined : ranFrom - result.ranUntil;
      return { ...result, downtimeMs: stood, sourceHash: result.hash, targetHash: hash };
    } catch (error) {
      if (here !== to) to.end();
      throw error;
    } finally {
      between = undefined;
    }
  };

  const cancelMigration = async () => {
    if (!moving || between) return false;
    cancelled = true;
    return here.remote.cancelMigration();
  };

  return {
    boot: async (next) => {
      await cancelMigration();
      await moving?.catch(() => {});
      config = next;
      await core;
      await here.remote.boot(next);
    },
    pause: async () => (await at()).remote.pause(),
    resume: async () => (await at()).remote.resume(),
    step: async () => (await at()).remote.step(),
    stepExit: async () => (await at()).remote.stepExit(),
    runTo: async (t) => (await at()).remote.runTo(t),
    send: async (bytes) => (await at()).remote.send(bytes),
    pointer: async (...motion) => (await at()).remote.pointer(...motion),
    inputs: async () => (await at()).remote.inputs(),
    key: async (code, down) => (await at()).remote.key(code, down),
    serial: async () => (await at()).remote.serial(),
    waitForSerial: async (text) => {
      for (;;) {
        const host = await at();
        const seen = host.remote.waitForSerial(text).then(() => true);
        if (await Promise.race([seen, host.left.then(() => false)])) return;
      }
    },
    readPhysical: async (gpa, length) => (await at()).remote.readPhysical(gpa, length),
    readHost: async (hpa, length) => (await at()).remote.readHost(hpa, length),
    translate: async (gva) => (await at()).remote.translate(gva),
    dirty: async () => (await at()).remote.dirty(),
    stats: async () => (await at()).remote.stats(),
    stateHash: async () => (await at()).remote.stateHash(),
    saveState: async () => (await at()).remote.saveFile(),
    restoreState: async (file) => {
      await cancelMigration();
      await moving?.catch(() => {});
      await core;
      config = await here.remote.restoreState(file);
      return config;
    },
    migrate: async (options, report) => {
      if (!config) throw new VitrineError("session", "machine", "none is booted", "boot a guest first");
      if (moving) throw new VitrineError("session", "migration", "is under way", "wait for it or cancel it");
      cancelled = false;
      const mine = move(config, options, report);
      moving = mine;
      try {
        return await mine;
      } finally {
        moving = undefined;
      }
    },
    cancelMigration,
    request: (wants) => {
      if (waiting || between) return false;
      waiting = true;
      here.worker.postMessage({ wants });
      return true;
    },
    onFrame: (next) => { listener = next; },
  };
}
