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
