// The built page in Chromium, for tools that measure it or take its picture: served as `npm start` does, driven
// through window.vitrine alone.
import { createServer } from "node:net";
import { existsSync } from "node:fs";
import { chromium } from "@playwright/test";
import { preview } from "vite";
import { at } from "./fingerprint.mjs";
import { ToolError } from "./say.mjs";
import { findChromium } from "./setup.mjs";

const ARGUMENTS = [
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--disable-quic",
  // A page in the background has its timers held back; nobody looks at this one.
  "--disable-renderer-backgrounding",
  "--disable-backgrounding-occluded-windows",
];

/** A port that nobody listens on. */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/**
 * Serves dist/ and starts Chromium. `open` gives a fresh page with ?test=1 and more search parameters, ready for
 * window.vitrine; `shut` and `unshut` its exhibits; `close` ends both.
 */
export async function openBrowser() {
  if (!existsSync(at("dist/index.html"))) throw new ToolError("page: dist/ is missing; run `npm run build` first");
  const executablePath = findChromium();
  if (executablePath === undefined) throw new ToolError("page: no Chromium; install the package `chromium`, or set VITRINE_CHROMIUM");
  const port = await freePort();
  const server = await preview({ root: at(), logLevel: "error", preview: { port, strictPort: true, host: "127.0.0.1" } });
  const root = process.getuid?.() === 0;
  const browser = await chromium.launch({ executablePath, args: [...(root ? ["--no-sandbox"] : []), ...ARGUMENTS] });
  const address = `http://127.0.0.1:${port}/`;
  const open = async (search = "") => {
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, colorScheme: "dark" });
    await page.goto(`${address}?test=1${search}`);
    await page.evaluate(() => window.vitrine.ready());
    return page;
  };
  const press = async (page, expanded) => {
    const buttons = page.locator(`[data-testid^=shut-][aria-expanded=${expanded}]`);
    for (let left = await buttons.count(); left > 0; left = await buttons.count()) await buttons.first().click();
  };
  /** Shuts every exhibit: nothing but the console's bytes is read from the machine then. */
  const shut = (page) => press(page, true);
  const unshut = (page) => press(page, false);
  const close = async () => {
    await browser.close();
    await server.close();
  };
  return { address, browser, open, shut, unshut, close };
}
