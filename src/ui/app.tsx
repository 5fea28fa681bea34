import { lazy, Suspense, useEffect, useState } from "react";
import { actions } from "./actions.ts";
import { lightAddresses } from "./address.tsx";
import style from "./page.module.css";
import { Palette } from "./palette.tsx";
import { ConsolePanel } from "./panels/console/console.tsx";
import { CpuPanel } from "./panels/cpu/cpu.tsx";
import { ExitsPanel } from "./panels/exits/exits.tsx";
import { MemoryPanel } from "./panels/memory/memory.tsx";
import { MigrationPanel } from "./panels/migration/migration.tsx";
import { ScreenPanel } from "./panels/screen/screen.tsx";
import { TablesPanel } from "./panels/tables/tables.tsx";
import { Transport } from "./panels/transport/transport.tsx";
import { usePage } from "./store.ts";

const LabView = lazy(async () => ({ default: (await import("./panels/lab/lab.tsx")).LabView }));

/** The way out of the terminal, which keeps Tab for the guest. */
const leaveConsole = (): void => {
  const next = ["translate", "toggle"].map((id) => document.querySelector<HTMLElement>(`[data-testid=${id}]`)).find((e) => e);
  next?.focus();
};

function onKey(e: KeyboardEvent): void {
  const keys: Readonly<Record<string, () => unknown>> = {
    F8: actions.toggle, F9: actions.step, F4: actions.nextExit, F1: actions.palette, F6: leaveConsole,
  };
  const plain = !e.ctrlKey && !e.altKey && !e.metaKey && !e.shiftKey;
  const run = plain ? keys[e.key] : e.ctrlKey && !e.shiftKey && e.key.toLowerCase() === "k" ? keys.F1 : undefined;
  if (!run) return;
  e.preventDefault();
  run();
}

/** Files may be dropped anywhere. */
function useDrop(): boolean {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const onOver = (e: DragEvent) => { e.preventDefault(); setOver(true); };
    const onLeave = (e: DragEvent) => { if (!e.relatedTarget) setOver(false); };
    const onDrop = (e: DragEvent) => {
      e.preventDefault();
      setOver(false);
      if (e.dataTransfer?.files.length) void actions.files([...e.dataTransfer.files]);
    };
    window.addEventListener("dragover", onOver);
    window.addEventListener("dragleave", onLeave);
    window.addEventListener("drop", onDrop);
    return () => {
      window.removeEventListener("dragover", onOver);
      window.removeEventListener("dragleave", onLeave);
      window.removeEventListener("drop", onDrop);
    };
  }, []);
  return over;
}

const exhibits = [
  ["console", ConsolePanel], ["exits", ExitsPanel], ["tables", TablesPanel], ["cpu", CpuPanel], ["memory", MemoryPanel],
  ["screen", ScreenPanel], ["migration", MigrationPanel],
] as const;

function Exhibits() {
  const view = usePage((s) => s.view);
  const alone = exhibits.filter(([area]) => area === view);
  return (
    <main className={alone.length > 0 ? style.alone : style.page} data-testid="exhibits">
      {(alone.length > 0 ? alone : exhibits).map(([area, Panel]) => <Panel key={area} />)}
    </main>
  );
}

export function App() {
  const theme = usePage((s) => s.theme);
  const problem = usePage((s) => s.problem);
  const notice = usePage((s) => s.notice);
  const lab = usePage((s) => s.lab);
  const over = useDrop();
  useEffect(() => { document.documentElement.dataset.theme = theme; }, [theme]);
  useEffect(lightAddresses, []);
  useEffect(() => {
    window.addEventListener("keydown", onKey, true);
    return () => { window.removeEventListener("keydown", onKey, true); };
  }, []);
  return (
    <>
      <Transport />
      {problem && <p className={style.problem} role="alert" data-testid="problem"><b aria-hidden="true">!</b> {problem}</p>}
      {notice && <p className={style.notice} role="status" data-testid="notice">{notice}</p>}
      {lab ? <Suspense fallback={<main />}><LabView /></Suspense> : <Exhibits />}
      <footer className={style.foot}>Every mark on this page is read from the running machine. Drop a kernel, with or without an initrd, to boot your own, or a saved state to go on from it. <button type="button" onClick={() => { actions.lab("five-movs"); scrollTo(0, 0); }}>Lab: five MOVs, who pays?</button></footer>
      {over && <div className={style.drop}>Drop a kernel and its initrd, or a saved state</div>}
      <Palette />
    </>
  );
}
