import { useEffect, useState } from "react";
import type { LabResult, Place } from "../../../vmm/public.ts";
import { actions } from "../../actions.ts";
import { download } from "../../files.ts";
import { type LabSheet, labSheet, runLab } from "../../lab-client.ts";
import { attempt, machine, start, usePage } from "../../store.ts";
import style from "./lab.module.css";
import { PredictionTable } from "./predictions.tsx";
import { complete, type Draft, empty, predictionsOf } from "./draft.ts";

const titles: Readonly<Record<Place, string>> = { bare: "On the bare machine", ept: "Under KVM, with EPT" };
const RAM = 16 << 20;
/** The clock chip's start in every lab: the command line's too. */
const RTC = 1_767_225_600;

/** Boots the lab's guest and stops it where a row begins. */
async function openAt(name: string, image: Uint8Array, place: Place, t: number): Promise<void> {
  actions.lab("");
  const accel = place === "ept" ? "kvm" : "tcg";
  await start(async () => ({
    name, accel, cpu: "qemu64", ramSize: RAM, append: "", rtcBase: RTC, paused: true, kernel: { name: `${name}/guest.asm`, bytes: image },
  }));
  await machine.runTo(t);
}

function Verdict({ name, sheet, result }: { name: string; sheet: LabSheet; result: LabResult }) {
  const wrong = result.rows.find((r) => !r.right);
  const right = result.rows.filter((r) => r.right).length;
  const text = (id: string): string => sheet.cases.find((c) => c.id === id)?.text ?? id;
  return (
    <div className={style.verdict} role="status" data-testid="lab-verdict" data-verdict={result.verdict}>
      <p><b className={result.verdict === "pass" ? style.pass : style.fail}>{result.verdict === "pass" ? "✓ pass" : "✕ fail"}</b> {right} of {result.rows.length} rows right.</p>
      {wrong && (
        <p>First difference: <code>{text(wrong.id)}</code>, {titles[wrong.place].toLowerCase()}, at t = {wrong.t}.{" "}
          <button type="button" data-testid="lab-open" onClick={() => void attempt(() => openAt(name, sheet.image, wrong.place, wrong.t))}>Open the machine there</button>
        </p>
      )}
      {result.missing.length > 0 && <p>Not on this machine: {result.missing.join(", ")}.</p>}
      <p className={style.hash}>hash of what was measured <code data-testid="lab-hash">{result.hash}</code></p>
    </div>
  );
}

/** A lab: predict, run, compare. What is measured is the machine's own trace. */
export function LabView() {
  const name = usePage((s) => s.lab);
  const [sheet, setSheet] = useState<LabSheet>();
  const [draft, setDraft] = useState<Draft>(() => empty());
  const [result, setResult] = useState<LabResult>();
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    setSheet(undefined);
    setResult(undefined);
    void attempt(async () => { setSheet(await labSheet(name)); });
  }, [name]);
  if (!sheet) return <main className={style.lab}><p>Opening the lab.</p></main>;
  const change = (next: Draft): void => {
    setDraft(next);
    setResult(undefined);
  };
  const run = () => attempt(async () => {
    setBusy(true);
    try {
      setResult(await runLab(name, predictionsOf(draft, sheet.cases)));
    } finally {
      setBusy(false);
    }
  });
  const ready = complete(draft, sheet.cases);
  return (
    <main className={style.lab} data-testid="lab">
      <header className={style.head}>
        <h2>{sheet.title}</h2>
        <button type="button" onClick={() => { actions.lab(""); }}>Back to the exhibits</button>
      </header>
      <div className={style.text}>{sheet.text.filter((p) => !p.startsWith("Run:")).map((p) => <p key={p}>{p}</p>)}</div>
      <form onSubmit={(e) => { e.preventDefault(); if (ready) void run(); }}>
        <div className={style.places}>
          {(["bare", "ept"] as const).map((place) => (
            <PredictionTable key={place} place={place} title={titles[place]} cases={sheet.cases} draft={draft} change={change} result={result} />
          ))}
        </div>
        <div className={style.bar}>
          <button type="submit" className={style.run} data-testid="lab-run" disabled={!ready || busy}>{busy ? "Running" : "Run the guest"}</button>
          <button type="button" disabled={!ready} onClick={() => { download(`${name}-predictions.json`, JSON.stringify(predictionsOf(draft, sheet.cases), null, 2), "application/json"); }}>Save predictions</button>
          <span>{ready ? `The same on the command line: npx vitrine lab run ${name} --predict ${name}-predictions.json` : "Give a number of references and of exits in each row."}</span>
        </div>
      </form>
      {result && <Verdict name={name} sheet={sheet} result={result} />}
    </main>
  );
}
