import { Exhibit } from "../../exhibit.tsx";
import style from "./migration.module.css";

/** Live migration; the empty case until a second host is connected. */
export function MigrationPanel() {
  return (
    <Exhibit number="7" title="Live migration" area="migration" source="KVM Forum 2007: dirty logging, pre-copy"
      says="The running guest moves to a second host: all memory once, then what was written meanwhile, until the rest fits a short pause.">
      <p className={style.empty} data-testid="no-migration"><strong>No second host.</strong> This page cannot move a guest yet: no bitmap and no pass is shown before there is a real one.</p>
      <table><thead><tr><th>pass</th><th>sent</th><th>dirtied again</th><th>remaining</th></tr></thead><tbody><tr><td colSpan={4} className={style.empty}>no pass yet</td></tr></tbody></table>
    </Exhibit>
  );
}
