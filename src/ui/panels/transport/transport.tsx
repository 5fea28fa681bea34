import { allGuests, cachedGuests, embeddedGuests } from "../../guests.ts";
import { grouped, rate } from "../../format.ts";
import { actions } from "../../actions.ts";
import { type PageState, usePage } from "../../store.ts";
import { cpuCounts } from "../../url.ts";
import style from "./transport.module.css";

function Mode() {
  const seen = usePage((s) => s.seen);
  if (!seen) return null;
  const mode = !(seen.sregs.cr0 & 1n) ? "real mode" : seen.bits === 64 ? "long mode" : `${seen.bits}-bit protected`;
  return (
    <span className={style.badge} data-testid="mode">
      <b className={seen.cpl === 0 ? style.kernel : style.user}>CPL {seen.cpl}</b> {mode}{seen.paging === "off" ? ", no paging" : `, ${seen.paging}`}
    </span>
  );
}

/** The buttons that matter, and the one clock. */
export function Transport() {
  const { state, guest, cached, busy, t, accel, cpus, theme, moving } = usePage();
  const speed = usePage((s) => s.seen?.stats.speed ?? 0);
  const has = state === "running" || state === "paused";
  /** What was chosen is for the next machine, and for the guest that is here it is at once. */
  const choose = (choice: Partial<Pick<PageState, "accel" | "cpus">>) => {
    usePage.setState(choice);
    if (allGuests.some((g) => g.name === guest)) void actions.boot(guest);
  };
  const pick = (e: React.ChangeEvent<HTMLInputElement>) => {
    if (e.target.files?.length) void actions.files([...e.target.files]);
    e.target.value = "";
  };
  return (
    <header className={style.bar}>
      <h1 className={style.name}>Vitrine</h1>
      <label className={style.guest}>
        <span className={style.hidden}>Guest</span>
        <select data-testid="guest" value={allGuests.some((g) => g.name === guest) ? guest : ""} disabled={busy} onChange={(e) => void actions.boot(e.target.value)}>
          <option value="" disabled>{guest && !allGuests.some((g) => g.name === guest) ? guest : "Choose a guest"}</option>
          <optgroup label="Part of this page">{embeddedGuests.map((g) => <option key={g.name} value={g.name}>{g.title}</option>)}</optgroup>
          {cached && <optgroup label="From the local cache">{cachedGuests.map((g) => <option key={g.name} value={g.name}>{g.title}</option>)}</optgroup>}
        </select>
      </label>
      <label className={style.guest}>
        <span className={style.hidden}>Accelerator</span>
        <select data-testid="accel" value={accel} disabled={busy} onChange={(e) => choose({ accel: e.target.value === "tcg" ? "tcg" : "kvm" })}>
          <option value="kvm">KVM</option><option value="tcg">bare CPU</option>
        </select>
      </label>
      <label className={style.guest}>
        <span className={style.hidden}>Processors</span>
        <select data-testid="cpus" value={cpus} disabled={busy} onChange={(e) => choose({ cpus: Number(e.target.value) })}>
          {cpuCounts.map((n) => <option key={n} value={n}>{n === 1 ? "1 CPU" : `${n} CPUs`}</option>)}
        </select>
      </label>
      <div className={style.group} role="toolbar" aria-label="Machine">
        <button type="button" data-testid="toggle" disabled={!has} onClick={() => void actions.toggle()}>{state === "running" ? "Pause" : "Run"} <kbd>F8</kbd></button>
        <button type="button" data-testid="step" disabled={!has} onClick={() => void actions.step()}>Step <kbd>F9</kbd></button>
        <button type="button" data-testid="next-exit" disabled={!has} onClick={() => void actions.nextExit()}>Next exit <kbd>F4</kbd></button>
        <button type="button" data-testid="migrate" disabled={!has || moving} onClick={() => void actions.migrate()}>Migrate</button>
      </div>
      <span className={style.clock}><i>t</i> <span data-testid="clock">{grouped(t)}</span></span>
      <span className={style.speed}>{busy ? "loading" : state === "running" ? `${rate(speed)}/s` : state === "empty" ? "no guest" : state}</span>
      <Mode />
      <div className={style.end}>
        <button type="button" data-testid="save" disabled={!has && state !== "stopped"} onClick={() => void actions.save()}>Save state</button>
        <label className={style.file} title="A kernel with or without its initrd, or a saved state">Open…<input type="file" multiple className={style.hidden} onChange={pick} data-testid="files" /></label>
        <button type="button" data-testid="commands" onClick={actions.palette}>Commands <kbd>F1</kbd></button>
        <button type="button" data-testid="theme" onClick={actions.theme}>{theme === "dark" ? "Light" : "Dark"}</button>
      </div>
    </header>
  );
}
