import { create } from "zustand";
import type { Frame, MigrateOptions, MigrationProgress, Observation, RunState, TableRequest } from "../vmm/index.ts";
import { startMachine } from "./client.ts";
import type { Moved } from "./machine-client.ts";
import { type BootOptions, configOf, configOfFiles } from "./guests.ts";

/** Views change at most about three times a second by themselves; the console is not held back. */
const LOOK_MS = 320;

export interface PageState {
  guest: string;
  cached: boolean;
  state: RunState;
  busy: boolean;
  accel: "kvm" | "tcg";
  t: number;
  ending: string | undefined;
  problem: string | undefined;
  seen: Observation | undefined;
  /** The migration that runs or that was the last. */
  moving: boolean;
  progress: MigrationProgress | undefined;
  moved: Moved | undefined;
  theme: "dark" | "light";
  palette: boolean;
}

const dark = typeof matchMedia === "function" && !matchMedia("(prefers-color-scheme: light)").matches;
const asked = new URLSearchParams(location.search).get("theme");

export const usePage = create<PageState>(() => ({
  guest: "", cached: false, state: "empty", busy: false, accel: "kvm", t: 0, ending: undefined, problem: undefined, seen: undefined,
  moving: false, progress: undefined, moved: undefined,
  theme: asked === "light" || asked === "dark" ? asked : dark ? "dark" : "light", palette: false,
}));

export const machine = startMachine();
const serialListeners = new Set<(bytes: Uint8Array | "clear") => void>();
const wanted = { tables: [] as readonly TableRequest[], address: undefined as bigint | undefined };
let lookAt = 0;
let lookNow = true;

/** The terminal's feed: every byte as it comes, "clear" when a new guest starts. */
export function onSerial(listener: (bytes: Uint8Array | "clear") => void): () => void {
  serialListeners.add(listener);
  return () => { serialListeners.delete(listener); };
}

/** What the page-table panel follows. */
export function follow(next: { tables?: readonly TableRequest[]; address?: bigint | undefined }): void {
  Object.assign(wanted, next);
  lookNow = true;
}

/** The page's only animation loop: one request and one answer per frame. */
function tick(now: number): void {
  requestAnimationFrame(tick);
  const { state } = usePage.getState();
  const look = lookNow || (state === "running" && now - lookAt >= LOOK_MS);
  if (machine.request({ observe: look, marks: look, screen: look, ...wanted }) && look) {
    lookAt = now;
    lookNow = false;
  }
}

function take(frame: Frame): void {
  const { serial, observation, ...rest } = frame;
  if (serial) for (const listener of serialListeners) listener(serial);
  const before = usePage.getState();
  if (before.state !== rest.state) lookNow = true;
  if (observation) usePage.setState({ state: rest.state, ending: rest.ending, t: rest.t, seen: observation });
  else if (before.state !== rest.state || before.ending !== rest.ending) usePage.setState(rest);
}

machine.onFrame(take);
requestAnimationFrame(tick);

/** Runs an action of the user's; its failure becomes the page's one line of trouble. */
async function attempt(action: () => Promise<void>): Promise<void> {
  try {
    await action();
    usePage.setState({ problem: undefined });
  } catch (error) {
    usePage.setState({ problem: error instanceof Error ? error.message : String(error) });
  } finally {
    lookNow = true;
  }
}

async function start(guest: string, config: () => ReturnType<typeof configOf>): Promise<void> {
  usePage.setState({ busy: true, guest, problem: undefined, seen: undefined, progress: undefined, moved: undefined });
  for (const listener of serialListeners) listener("clear");
  follow({ tables: [], address: undefined });
  try {
    const asked = await config();
    usePage.setState({ accel: asked.accel });
    await machine.boot(asked);
  } finally {
    usePage.setState({ busy: false });
  }
}

/** Boots by name; rejects where tests want to see it. */
export const boot = (name: string, options: BootOptions = {}) => start(name, () => configOf(name, options));

/** Moves the machine to a second worker; its progress and its outcome are the panel's. */
export async function migrate(options: MigrateOptions = {}): Promise<Moved> {
  if (usePage.getState().moving) return machine.migrate(options, () => {});
  usePage.setState({ moving: true, progress: undefined, moved: undefined });
  try {
    const moved = await machine.migrate(options, (progress) => { usePage.setState({ progress }); });
    usePage.setState({ moved });
    return moved;
  } finally {
    usePage.setState({ moving: false });
    lookNow = true;
  }
}

export const actions = {
  boot: (name: string, accel = usePage.getState().accel) => attempt(() => boot(name, { accel })),
  files: (files: readonly File[]) => attempt(() => start(files[0]?.name ?? "files", () => configOfFiles(files, { accel: usePage.getState().accel }))),
  toggle: () => attempt(() => (usePage.getState().state === "running" ? machine.pause() : machine.resume())),
  step: () => attempt(() => machine.step()),
  nextExit: () => attempt(() => machine.stepExit()),
  migrate: (options: MigrateOptions = {}) => attempt(async () => { await migrate(options); }),
  cancelMigration: () => attempt(async () => { await machine.cancelMigration(); }),
  palette: () => { usePage.setState({ palette: true }); },
  theme: () => { usePage.setState((s) => ({ theme: s.theme === "dark" ? "light" : "dark" })); },
};
