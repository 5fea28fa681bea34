import { useEffect, useRef, useState } from "react";
import { actions } from "./actions.ts";
import { cachedGuests, embeddedGuests } from "./guests.ts";
import style from "./page.module.css";
import { usePage } from "./store.ts";

const pickFiles = (): void => document.querySelector<HTMLInputElement>("[data-testid=files]")?.click();

/** Everything the page can do, by name. */
export function Palette() {
  const open = usePage((s) => s.palette);
  const cached = usePage((s) => s.cached);
  const dialog = useRef<HTMLDialogElement>(null);
  const [filter, setFilter] = useState("");
  useEffect(() => {
    setFilter("");
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);
  const commands: readonly (readonly [string, string, () => unknown])[] = [
    ["Run or pause", "F8", actions.toggle], ["Step one instruction", "F9", actions.step], ["Run to the next VM exit", "F4", actions.nextExit],
    ["Migrate", "", () => actions.migrate()], ["Cancel the migration", "", actions.cancelMigration], ["Dark or light", "", actions.theme],
    ["Console for screen readers, on or off", "", actions.reader],
    ["Save state to a file", "", actions.save], ["Restore a state, or boot a kernel, from files", "", pickFiles],
    ["Lab: five MOVs", "", () => actions.lab("five-movs")], ["Back to the exhibits", "", () => { actions.lab(""); actions.view(""); }],
    ["Download a report of the machine", "", actions.report],
    ...[...embeddedGuests, ...(cached ? cachedGuests : [])].map((g) => [`Boot ${g.title}`, "", () => actions.boot(g.name)] as const),
  ];
  const shown = commands.filter(([name]) => name.toLowerCase().includes(filter.toLowerCase()));
  const choose = (run: () => unknown) => {
    usePage.setState({ palette: false });
    run();
  };
  return (
    <dialog ref={dialog} className={style.palette} aria-label="Commands" onClose={() => usePage.setState({ palette: false })}>
      <form onSubmit={(e) => { e.preventDefault(); if (shown[0]) choose(shown[0][2]); }}>
        <input aria-label="Find a command" placeholder="Find a command" value={filter} onChange={(e) => setFilter(e.target.value)} />
      </form>
      <ul>{shown.map(([name, key, run]) => <li key={name}><button type="button" onClick={() => choose(run)}>{name}<kbd>{key}</kbd></button></li>)}</ul>
    </dialog>
  );
}
