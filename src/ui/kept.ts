import { type PageState, usePage } from "./store.ts";
import { setFragment, writeFragment } from "./url.ts";

const parts = ({ guest, accel, cpus, shut, address }: PageState) => ({ guest, accel, cpus, shut, address });

/** From now on the address bar follows what the page shows, so that a reload or a link brings it back. */
export function keepState(): void {
  let latest = JSON.stringify(parts(usePage.getState()));
  usePage.subscribe((state) => {
    const now = parts(state);
    const text = JSON.stringify(now);
    if (text === latest) return;
    latest = text;
    writeFragment(now).then((fragment) => { if (text === latest) setFragment(fragment); }).catch(() => {});
  });
}
