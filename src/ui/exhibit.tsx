import { createContext, type ReactNode, useContext, useEffect, useId, useRef, useState } from "react";
import type { Wants } from "../vmm/index.ts";
import { actions } from "./actions.ts";
import style from "./exhibit.module.css";
import { usePage, want } from "./store.ts";

interface ExhibitProps {
  readonly number: string;
  readonly title: string;
  /** One sentence on what is seen. */
  readonly says: string;
  readonly source: string;
  readonly area: string;
  readonly children: ReactNode;
}

/** Name of the exhibit while it can be seen, "" otherwise. */
const Seen = createContext("");

/** What the exhibit around it needs read from the machine; nothing is read for one that is shut, or out of sight of a running machine. */
export function useWant(part: Partial<Wants>): void {
  const area = useContext(Seen);
  useEffect(() => {
    if (!area) return;
    want(area, part);
    return () => { want(area, undefined); };
  }, [area, part]);
}

/** A case of the museum: label, contents. The label's sentence folds away once known and stays folded. */
export function Exhibit({ number, title, says, source, area, children }: ExhibitProps) {
  const id = useId();
  const key = `label-${area}`;
  const [told, setTold] = useState(() => localStorage.getItem(key) !== "folded");
  const [onScreen, setOnScreen] = useState(false);
  const shut = usePage((s) => s.shut.includes(area));
  const view = usePage((s) => s.view);
  // A machine that stands still costs nothing to look at: it is shown whole.
  const still = usePage((s) => s.state !== "running");
  const box = useRef<HTMLElement>(null);
  useEffect(() => {
    if (!box.current) return;
    const watch = new IntersectionObserver(([entry]) => { setOnScreen(entry?.isIntersecting ?? false); }, { rootMargin: "160px" });
    watch.observe(box.current);
    return () => { watch.disconnect(); };
  }, []);
  const fold = () => {
    localStorage.setItem(key, told ? "folded" : "open");
    setTold(!told);
  };
  return (
    <section ref={box} className={style.exhibit} style={{ gridArea: area }} aria-labelledby={id} data-testid={`panel-${area}`}>
      <header className={style.label}>
        <span className={style.number} aria-hidden="true">{number}</span>
        <h2 id={id}>{title}</h2>
        <span className={style.tools}>
          {!shut && <button type="button" aria-expanded={told} aria-label={`${title}: ${told ? "less" : "about"}`} onClick={fold}>{told ? "less" : "about"}</button>}
          <button type="button" aria-pressed={view === area} aria-label={`${title}: ${view === area ? "show all" : "alone"}`} data-testid={`alone-${area}`}
            onClick={() => { actions.view(view === area ? "" : area); }}>{view === area ? "all" : "alone"}</button>
          <button type="button" aria-expanded={!shut} aria-label={`${title}: ${shut ? "open" : "shut"}`} data-testid={`shut-${area}`}
            onClick={() => { actions.shut(area); }}>{shut ? "open" : "shut"}</button>
        </span>
        {told && !shut && <p>{says} <cite>{source}</cite></p>}
      </header>
      {!shut && <Seen.Provider value={onScreen || still ? area : ""}><div className={style.body}>{children}</div></Seen.Provider>}
    </section>
  );
}
