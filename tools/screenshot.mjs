// Makes docs/screenshot.png: the built page with Debian Linux under KVM, at 1440 x 900 (npm run screenshot).
import { spawn } from "node:child_process";
import { chromium } from "@playwright/test";
import { at } from "./lib/fingerprint.mjs";

const PORT = 4181;
const address = `http://127.0.0.1:${PORT}/`;
/** Guest instructions before the picture is taken: the kernel is probing its devices. */
const WHEN = 400_000_000;

async function waitForPage() {
  for (let i = 0; i < 100; i++) {
    const answer = await fetch(address).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`screenshot: ${address} does not answer; run \`npm run build\` first`);
}

const server = spawn(process.execPath, [at("node_modules/vite/bin/vite.js"), "preview", "--port", String(PORT), "--strictPort", "--host", "127.0.0.1"], { cwd: at() });
try {
  await waitForPage();
  const root = process.getuid?.() === 0;
  const browser = await chromium.launch({
    executablePath: process.env.VITRINE_CHROMIUM ?? "/usr/bin/chromium",
    args: [...(root ? ["--no-sandbox"] : []), "--disable-background-networking", "--disable-sync", "--no-first-run"],
  });
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, colorScheme: "dark" });
  await page.goto(`${address}?test=1`);
  await page.evaluate(async (when) => {
    await window.vitrine.ready();
    await window.vitrine.boot("linux-amd64", { accel: "kvm" });
    await window.vitrine.runToInstruction(when);
  }, WHEN);
  await page.waitForTimeout(1000);
  await page.screenshot({ path: at("docs/screenshot.png") });
  await browser.close();
} finally {
  server.kill();
}
