import "@fontsource/ibm-plex-sans/latin-400.css";
import "@fontsource/ibm-plex-sans/latin-400-italic.css";
import "@fontsource/ibm-plex-sans/latin-600.css";
import "@fontsource/ibm-plex-mono/latin-400.css";
import "@fontsource/ibm-plex-mono/latin-600.css";
import "./tokens.css";
import { createRoot } from "react-dom/client";
import { App } from "./app.tsx";
import { cacheOffered } from "./guests.ts";
import { actions, usePage } from "./store.ts";
import { offerTestApi } from "./testapi.ts";

const root = document.getElementById("root");
if (root) {
  document.documentElement.dataset.theme = usePage.getState().theme;
  createRoot(root).render(<App />);
}

const testing = new URLSearchParams(location.search).has("test");
const ready = cacheOffered().then((cached) => {
  usePage.setState({ cached });
  // A newcomer finds a guest booting; a test starts its own.
  if (!testing) void actions.boot(cached ? "linux-amd64" : "hello64");
});
if (testing) offerTestApi(ready);
