import { VitrineError } from "../base/errors.ts";
import { clearFor, look, machine, usePage } from "./store.ts";

/** How a state file begins (src/vmm/session/statefile.ts); the digit behind it is the format. */
const MAGIC = "VITPAGE";
/** What a browser gives one array. */
const MAX_FILE = 0x7fffffff;

const printed = (value: unknown): string =>
  JSON.stringify(value, (_, v: unknown) => (typeof v === "bigint" ? `0x${v.toString(16)}` : v instanceof Uint8Array ? undefined : v), 2);

/** Gives the user a file. */
export function download(name: string, data: BlobPart, type: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([data], { type }));
  link.download = name;
  link.click();
  // The browser has its own hold on the data once the click is through.
  setTimeout(() => { URL.revokeObjectURL(link.href); }, 10_000);
}

const fileName = (end: string): string => {
  const { guest, t } = usePage.getState();
  return `${guest.replace(/[^\w.-]/g, "_") || "machine"}-t${t}${end}`;
};

/** The whole machine, as a file to keep. */
export async function downloadState(): Promise<void> {
  const file = await machine.saveState();
  download(fileName(".vitrine"), file as Uint8Array<ArrayBuffer>, "application/octet-stream");
  usePage.setState({ notice: `Saved: ${(file.length / 2 ** 20).toFixed(1)} MiB. Drop the file here, or open it, to go on from there.` });
}

export const isState = async (file: File): Promise<boolean> => (await file.slice(0, MAGIC.length).text()) === MAGIC;

/** Replaces the machine by the one in the file; it stands paused. */
export async function restoreFile(file: File): Promise<void> {
  if (file.size > MAX_FILE) throw new VitrineError("state", file.name, `${file.size} bytes`, `give a file of at most ${MAX_FILE}`);
  await restoreState(new Uint8Array(await file.arrayBuffer()));
}

export async function restoreState(bytes: Uint8Array): Promise<void> {
  usePage.setState({ busy: true });
  try {
    // The answer comes before the first frame with what the restored machine had printed.
    const config = await machine.restoreState(bytes);
    clearFor(config);
    usePage.setState({ notice: "Restored. The guest stands where it was saved; run it with F8." });
  } finally {
    usePage.setState({ busy: false });
    await look();
  }
}

/** What is known about a machine that failed: text, without the guest's memory. */
export async function downloadReport(): Promise<void> {
  const { seen, ending, guest, accel, t } = usePage.getState();
  const serial = (await machine.serial()).slice(-20_000);
  const { regs, sregs, code, stats, exits, walk } = seen ?? {};
  const report = printed({ format: "vitrine-report-1", guest, accel, t, ending, browser: navigator.userAgent, regs, sregs, code, stats, exits, walk, serial });
  download(fileName("-report.json"), report, "application/json");
}
