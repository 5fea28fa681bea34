import "@fontsource/ibm-plex-sans/latin-400.css";
import "@fontsource/ibm-plex-sans/latin-400-italic.css";
import "@fontsource/ibm-plex-sans/latin-600.css";
import "@fontsource/ibm-plex-mono/latin-400.css";
import "@fontsource/ibm-plex-mono/latin-600.css";
import "./tokens.css";
import { createRoot } from "react-dom/client";
import { actions } from "./actions.ts";
import { App } from "./app.tsx";
import { allGuests, cachedGuests, cacheOffered } from "./guests.ts";
import { keepState } from "./kept.ts";
import { usePage } from "./store.ts";
import { offerTestApi } from "./testapi.ts";
import { readFragment } from "./url.ts";

const root = document.getElementById("root");
if (root) {
  document.documentElement.dataset.theme = usePage.getState().theme;
  createRoot(root).render(<App />);
}

const testing = new URLSearchParams(location.search).has("test");

async function begin(): Promise<void> {
  const { guest, ...kept } = await readFragment(location.hash);
  usePage.setState(kept);
  const cached = await cacheOffered();
  usePage.setState({ cached });
  keepState();
  const known = allGuests.some((g) => g.name === guest && (cached || !cachedGuests.includes(g)));
  // A newcomer finds a guest booting, a reload the guest of before; a test starts its own, a lab runs beside.
  if (usePage.getState().lab) return;
  if (guest && known) void actions.boot(guest);
  else if (!testing) void actions.boot(cached ? "linux-amd64" : "hello64");
}

const ready = begin();
if (testing) offerTestApi(ready);
