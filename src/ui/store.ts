import { create } from "zustand";
import type { Ending, Frame, GuestConfig, MigrateOptions, MigrationProgress, Observation, RunState, ScreenUpdate, Wants } from "../vmm/index.ts";
import { startMachine } from "./client.ts";
import type { BootOptions } from "./guests.ts";
import { configOf } from "./guests.ts";
import type { Moved } from "./machine-client.ts";

/** Views change at most about three times a second by themselves; the console is not held back. */
const LOOK_MS = 320;

export interface PageState {
  guest: string;
  cached: boolean;
  state: RunState;
  busy: boolean;
  accel: "kvm" | "tcg";
  /** Processors of the next machine, and the one whose registers are shown. */
  cpus: number;
  shownCpu: number;
  t: number;
  ending: Ending | undefined;
  problem: string | undefined;
  /** Something that went well and that the user should know. */
  notice: string | undefined;
  seen: Observation | undefined;
  /** The migration that runs or that was the last. */
  moving: boolean;
  progress: MigrationProgress | undefined;
  moved: Moved | undefined;
  theme: "dark" | "light";
  palette: boolean;
  /** Exhibits that are shut: they read nothing from the machine. */
  shut: readonly string[];
  /** The one exhibit that is shown alone; "" for all. */
  view: string;
  /** The lab that is open instead of the exhibits. */
  lab: string;
  /** What the translation follows: rip, rsp or an address. */
  address: string;
  /** The console speaks to a screen reader. */
  reader: boolean;
}

const dark = typeof matchMedia === "function" && !matchMedia("(prefers-color-scheme: light)").matches;
const query = new URLSearchParams(location.search);
const asked = query.get("theme");

export const usePage = create<PageState>(() => ({
  guest: "", cached: false, state: "empty", busy: false, accel: "kvm", cpus: 1, shownCpu: 0, t: 0, ending: undefined, problem: undefined, notice: undefined,
  seen: undefined, moving: false, progress: undefined, moved: undefined,
  theme: asked === "light" || asked === "dark" ? asked : dark ? "dark" : "light", palette: false,
  shut: [], view: query.get("view") ?? "", lab: query.get("lab") ?? "", address: "rip", reader: false,
}));

export const machine = startMachine();
const serialListeners = new Set<(bytes: Uint8Array | "clear") => void>();
const wanted = new Map<string, Partial<Wants>>();
let lookAt = 0;
let lookNow = true;

/** The latest output, for a terminal that opens later. */
let backlog: Uint8Array[] = [];
const BACKLOG = 256 * 1024;

function hear(bytes: Uint8Array | "clear"): void {
  if (bytes === "clear") backlog = [];
  else {
    backlog.push(bytes);
    for (let size = backlog.reduce((n, b) => n + b.length, 0); size > BACKLOG && backlog.length > 1; ) size -= backlog.shift()?.length ?? 0;
  }
  for (const listener of serialListeners) listener(bytes);
}

/** The terminal's feed: what was printed last, then every byte as it comes, "clear" when a new guest starts. */
export function onSerial(listener: (bytes: Uint8Array | "clear") => void): () => void {
  for (const bytes of backlog) listener(bytes);
  serialListeners.add(listener);
  return () => { serialListeners.delete(listener); };
}

const screenListeners = new Set<(update: ScreenUpdate | "clear") => void>();
/** Whoever shows the screen has nothing of it yet. */
let wholeScreen = true;

/** What changes on the guest's screen, from all of it on; "clear" when a new guest starts. */
export function onScreen(listener: (update: ScreenUpdate | "clear") => void): () => void {
  screenListeners.add(listener);
  wholeScreen = true;
  return () => { screenListeners.delete(listener); };
}
function showScreen(update: ScreenUpdate | "clear"): void {
  for (const listener of screenListeners) listener(update);
}

/** What one exhibit needs read from the machine; undefined once nobody looks at it. */
export function want(exhibit: string, part: Partial<Wants> | undefined): void {
  if (part) wanted.set(exhibit, part);
  else wanted.delete(exhibit);
  if (part?.screen) wholeScreen = true;
  // A running machine is looked at soon enough; its tables may be other ones at each look.
  if (usePage.getState().state !== "running") lookNow = true;
}

let looked: (() => void)[] = [];

/** The registers shown, and what follows from them, are this processor's from now on. */
export function showCpu(shownCpu: number): void {
  usePage.setState({ shownCpu });
  lookNow = true;
}

/** Looks at the machine with the next frame, whether it runs or not; done when the page shows what was seen, or at once where frames rest. */
export function look(): Promise<void> {
  lookNow = true;
  return new Promise((done) => {
    looked.push(done);
    setTimeout(done, LOOK_MS);
  });
}

const nothing: Wants = { observe: true, cpu: 0, code: false, exits: false, marks: false, screen: false, tables: [], address: undefined };
const serialOnly: Wants = { ...nothing, observe: false };

/** The page's only animation loop: one request and one answer per frame. */
function tick(now: number): void {
  requestAnimationFrame(tick);
  const { state, lab, shownCpu: cpu } = usePage.getState();
  const looks = lab === "" && (lookNow || (state === "running" && now - lookAt >= LOOK_MS));
  const all: Wants = Object.assign({}, nothing, ...wanted.values());
  // The screen is as quick as the console: both are the guest's own.
  const screen = lab === "" && all.screen ? (wholeScreen ? "whole" : "changes") : false;
  if (!machine.request({ ...(looks ? all : serialOnly), screen, cpu })) return;
  if (screen) wholeScreen = false;
  if (looks) {
    lookAt = now;
    lookNow = false;
  }
}

/** What was not looked at this time stays as it was seen last. */
function merged(before: Observation | undefined, now: Observation): Observation {
  if (!before) return now;
  const { tables, walk } = now.tables.length === 0 && !now.walk ? before : now;
  return {
    ...now, tables, walk, code: now.code.length > 0 ? now.code : before.code, marks: now.marks ?? before.marks,
  };
}

function take(frame: Frame): void {
  const { serial, observation, screen, ...rest } = frame;
  if (serial) hear(serial);
  if (screen) showScreen(screen);
  const before = usePage.getState();
  // A machine that was stepped by someone else has moved on unseen.
  if (before.state !== rest.state || (before.t !== rest.t && rest.state !== "running" && !observation)) lookNow = true;
  if (observation) {
    usePage.setState({ ...rest, seen: merged(before.seen, observation) });
    for (const done of looked) done();
    looked = [];
  } else if (before.state !== rest.state || before.ending !== rest.ending) usePage.setState({ state: rest.state, ending: rest.ending });
}

machine.onFrame(take);
requestAnimationFrame(tick);

/** Runs an action of the user's; its failure becomes the page's one line of trouble. */
export async function attempt(action: () => Promise<void>): Promise<void> {
  try {
    await action();
    usePage.setState({ problem: undefined });
  } catch (error) {
    usePage.setState({ problem: error instanceof Error ? error.message : String(error), notice: undefined });
  } finally {
    lookNow = true;
  }
}

/** A new machine comes: whatever was said about the last one goes. */
export function clearFor({ name: guest, accel, cpus = 1 }: Pick<GuestConfig, "name" | "accel" | "cpus">): void {
  usePage.setState({
    guest, accel, cpus, shownCpu: 0, problem: undefined, notice: undefined, seen: undefined, progress: undefined, moved: undefined, ending: undefined,
  });
  hear("clear");
  showScreen("clear");
  wholeScreen = true;
}

export async function start(config: () => ReturnType<typeof configOf>): Promise<void> {
  usePage.setState({ busy: true });
  try {
    const asked = await config();
    clearFor(asked);
    await machine.boot(asked);
  } finally {
    usePage.setState({ busy: false });
  }
}

/** Boots by name; rejects where tests want to see it. */
export const boot = (name: string, options: BootOptions = {}) => start(() => configOf(name, options));

/** The translation follows rip, rsp or an address from now on. */
export function translateAddress(text: string): void {
  usePage.setState({ address: text });
  lookNow = true;
}

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
