import { useEffect, useState } from "react";
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
import { actions, usePage } from "./store.ts";

/** The way out of the terminal, which keeps Tab for the guest. */
const leaveConsole = (): void => document.querySelector<HTMLElement>("[data-testid=translate]")?.focus();

function onKey(e: KeyboardEvent): void {
  const keys: Readonly<Record<string, () => unknown>> = {
    F8: actions.toggle, F9: actions.step, F4: actions.nextExit, F1: actions.palette, F6: leaveConsole,
  };
  const plain = !e.ctrlKey && !e.altKey && !e.metaKey;
  const run = plain ? keys[e.key] : e.ctrlKey && e.key === "k" ? keys.F1 : undefined;
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
    window.addEventListener("keydown", onKey, true);
    window.addEventListener("dragover", onOver);
    window.addEventListener("dragleave", onLeave);
    window.addEventListener("drop", onDrop);
    return () => {
      window.removeEventListener("keydown", onKey, true);
      window.removeEventListener("dragover", onOver);
      window.removeEventListener("dragleave", onLeave);
      window.removeEventListener("drop", onDrop);
    };
  }, []);
  return over;
}

export function App() {
  const theme = usePage((s) => s.theme);
  const problem = usePage((s) => s.problem);
  const over = useDrop();
  useEffect(() => { document.documentElement.dataset.theme = theme; }, [theme]);
  return (
    <>
      <Transport />
      {problem && <p className={style.problem} role="alert">{problem}</p>}
      <main className={style.page}>
        <ConsolePanel />
        <TablesPanel />
        <CpuPanel />
        <ExitsPanel />
        <MemoryPanel />
        <ScreenPanel />
        <MigrationPanel />
      </main>
      <footer className={style.foot}>Every mark on this page is read from the running machine. Drop a kernel, with or without an initrd, to boot your own.</footer>
      {over && <div className={style.drop}>Drop a kernel and its initrd</div>}
      <Palette />
    </>
  );
}
