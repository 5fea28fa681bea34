import { defineConfig, devices } from "@playwright/test";

const port = Number(process.env.VITRINE_PORT ?? 4179);
const root = process.getuid?.() === 0;

export default defineConfig({
  testDir: "e2e",
  // Booting an emulated PC fills a core: two at once on a small machine measure each other.
  workers: 1,
  timeout: 120_000,
  // A bound on failure, not a promise of speed: the machine may be busy.
  expect: { timeout: 15_000 },
  forbidOnly: true,
  use: {
    ...devices["Desktop Chrome"],
    viewport: { width: 1440, height: 900 },
    baseURL: `http://127.0.0.1:${port}/`,
    launchOptions: {
      executablePath: process.env.VITRINE_CHROMIUM ?? "/usr/bin/chromium",
      args: [
        ...(root ? ["--no-sandbox"] : []),
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--disable-quic",
      ],
    },
  },
  webServer: {
    command: `node node_modules/vite/bin/vite.js preview --port ${port} --strictPort --host 127.0.0.1`,
    url: `http://127.0.0.1:${port}/`,
    reuseExistingServer: false,
  },
});
