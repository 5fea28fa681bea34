import style from "./address.module.css";
import { hex } from "./format.ts";
import { translateAddress } from "./store.ts";

export type Space = "GVA" | "GPA" | "HPA";

const meanings: Readonly<Record<Space, string>> = {
  GVA: "guest-virtual address", GPA: "guest-physical address", HPA: "host-physical address",
};

/** An address with its kind: the same letters and hue in every view; pointing at one lights it everywhere. */
export function Address({ space, value, id }: { space: Space; value: bigint; id?: string }) {
  const token = `${space}:${value.toString(16)}`;
  return (
    <span className={`${style.token} ${style[space]}`} data-address={token}>
      <abbr title={meanings[space]}>{space}</abbr> <span data-testid={id}>{hex(value)}</span>
    </span>
  );
}

/** A linear address that translates itself when it is chosen. */
export function GvaLink({ value }: { value: bigint }) {
  return (
    <button type="button" className={`${style.token} ${style.GVA} ${style.link}`} data-address={`GVA:${value.toString(16)}`}
      title="Translate this address" onClick={() => { translateAddress(hex(value)); }}>
      {value.toString(16)}
    </button>
  );
}

/** Lights every token of the address that the pointer or the focus is on; one rule in one style sheet does it. */
export function lightAddresses(): () => void {
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  const light = (e: Event): void => {
    const token = e.target instanceof Element ? e.target.closest<HTMLElement>("[data-address]")?.dataset.address : undefined;
    sheet.replaceSync(token ? `[data-address="${CSS.escape(token)}"] { background: var(--lit); outline: 1px solid currentColor; }` : "");
  };
  document.addEventListener("pointerover", light);
  document.addEventListener("focusin", light);
  return () => {
    document.removeEventListener("pointerover", light);
    document.removeEventListener("focusin", light);
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((s) => s !== sheet);
  };
}
