import type { MigrateOptions } from "../vmm/index.ts";
import { type BootOptions, configOfFiles } from "./guests.ts";
import { downloadReport, downloadState, isState, restoreFile } from "./files.ts";
import { attempt, boot, machine, migrate, start, usePage } from "./store.ts";
import { setQuery } from "./url.ts";

/** What the machine is to be, as the bar has it. */
type Chosen = Pick<BootOptions, "accel" | "cpus">;
function chosen(): Chosen {
  const { accel, cpus } = usePage.getState();
  return { accel, cpus };
}

/** Files that were dropped or chosen: a saved state, or a kernel with or without its initrd. */
async function open(files: readonly File[]): Promise<void> {
  const [first] = files;
  if (!first) return;
  if (await isState(first)) await restoreFile(first);
  else await start(() => configOfFiles(files, chosen()));
}

/** What the page's buttons, keys and commands do. */
export const actions = {
  boot: (name: string, options: Chosen = chosen()) => attempt(() => boot(name, options)),
  files: (files: readonly File[]) => attempt(() => open(files)),
  toggle: () => attempt(() => (usePage.getState().state === "running" ? machine.pause() : machine.resume())),
  step: () => attempt(() => machine.step()),
  nextExit: () => attempt(() => machine.stepExit()),
  migrate: (options: MigrateOptions = {}) => attempt(async () => { await migrate(options); }),
  cancelMigration: () => attempt(async () => { await machine.cancelMigration(); }),
  save: () => attempt(downloadState),
  report: () => attempt(downloadReport),
  palette: () => { usePage.setState({ palette: true }); },
  theme: () => {
    const theme = usePage.getState().theme === "dark" ? "light" : "dark";
    usePage.setState({ theme });
    setQuery("theme", theme);
  },
  /** One exhibit alone, or all of them again. */
  view: (view: string) => {
    usePage.setState({ view });
    setQuery("view", view || undefined);
  },
  /** Shuts an exhibit, or opens it. */
  shut: (exhibit: string) => {
    usePage.setState(({ shut }) => ({ shut: shut.includes(exhibit) ? shut.filter((s) => s !== exhibit) : [...shut, exhibit] }));
  },
  reader: () => { usePage.setState((s) => ({ reader: !s.reader })); },
  lab: (lab: string) => {
    usePage.setState({ lab });
    setQuery("lab", lab || undefined);
  },
};
