import { type ReactNode, useId, useState } from "react";
import style from "./exhibit.module.css";

interface ExhibitProps {
  readonly number: string;
  readonly title: string;
  /** One sentence on what is seen. */
  readonly says: string;
  readonly source: string;
  readonly area: string;
  readonly children: ReactNode;
}

/** A case of the museum: label, contents. The label's sentence folds away once known and stays folded. */
export function Exhibit({ number, title, says, source, area, children }: ExhibitProps) {
  const id = useId();
  const key = `label-${area}`;
  const [open, setOpen] = useState(() => localStorage.getItem(key) !== "folded");
  const fold = () => {
    localStorage.setItem(key, open ? "folded" : "open");
    setOpen(!open);
  };
  return (
    <section className={style.exhibit} style={{ gridArea: area }} aria-labelledby={id} data-testid={`panel-${area}`}>
      <header className={style.label}>
        <span className={style.number}>{number}</span>
        <h2 id={id}>{title}</h2>
        <button type="button" className={style.fold} aria-expanded={open} aria-label={`Label of ${title}`} onClick={fold}>
          {open ? "less" : "about"}
        </button>
        {open && <p>{says} <cite>{source}</cite></p>}
      </header>
      <div className={style.body}>{children}</div>
    </section>
  );
}
