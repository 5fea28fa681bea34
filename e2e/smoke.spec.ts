import { existsSync, readFileSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, test } from "@playwright/test";

test("the page loads isolated, with content and without a console error or a failed request", async ({
  page,
}) => {
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("requestfailed", (request) => complaints.push(request.url()));
  await page.goto("/");
  await expect(page).toHaveTitle(/Vitrine/);
  await expect(page.locator("#root")).not.toBeEmpty();
  expect(await page.evaluate(() => window.crossOriginIsolated)).toBe(true);
  expect(complaints).toEqual([]);
});

test("what the cache holds is told in any case, so that a page without Linux starts without an error", async ({ request }) => {
  const answer = await request.get("/guests/manifest.json");
  expect(answer.status()).toBe(200);
  expect(Object.keys(await answer.json())).toContain("files");
});

test("a guest file that is not in the cache is answered with 404, never with the page", async ({
  request,
}) => {
  for (const name of [
    "seabios/none.bin",
    "../package.json",
    "apt/apt.conf",
    "linux-amd64/..%2f..%2fpackage.json",
  ]) {
    const response = await request.get(`/guests/${name}`);
    if (response.status() === 200) expect(await response.text()).not.toContain('"vitrine"');
    else expect(response.status()).toBe(404);
  }
});

/** A static host that knows nothing: dist/ below a folder, no headers of ours, hardly any types. */
async function plainHost(folder: string): Promise<Server> {
  const server = createServer((request, response) => {
    const path = (request.url ?? "").replace(/\?.*$/, "");
    const file = path.startsWith(folder) ? join("dist", path.slice(folder.length) || "index.html") : "";
    if (!file.startsWith("dist") || !existsSync(file) || statSync(file).isDirectory()) {
      response.writeHead(404).end();
      return;
    }
    const type = file.endsWith(".html") ? "text/html" : file.endsWith(".js") ? "text/javascript" : file.endsWith(".css") ? "text/css" : "application/octet-stream";
    response.writeHead(200, { "Content-Type": type }).end(readFileSync(file));
  });
  await new Promise<void>((listening) => { server.listen(0, "127.0.0.1", listening); });
  return server;
}

test("dist/ works below any path of a plain static host: the embedded guest boots, not isolated, with no guest offered", async ({ page }) => {
  const folder = "/some/path/";
  const server = await plainHost(folder);
  try {
    const missing: string[] = [];
    page.on("response", (answer) => { if (answer.status() !== 200) missing.push(answer.url()); });
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}${folder}?test=1`);
    await page.evaluate(() => window.vitrine?.ready());
    expect(await page.evaluate(() => window.crossOriginIsolated)).toBe(false);
    await page.evaluate(() => window.vitrine?.boot("hello64", { accel: "kvm" }));
    await page.evaluate(() => window.vitrine?.waitForSerial("tick 100", 30_000));
    await expect(page.locator("[data-testid=console] .xterm-rows")).toContainText("tick 100");
    // A server of this machine is asked for Linux; there is none.
    expect(missing.filter((url) => !url.endsWith("/guests/manifest.json"))).toEqual([]);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
