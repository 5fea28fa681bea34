// The page for everyone: axe-core, the keyboard alone, narrow windows, text twins.
import AxeBuilder from "@axe-core/playwright";
import { expect, type Page, test } from "@playwright/test";
import { bootTo, open } from "./support.ts";

/** Serious and critical findings, as one line each. */
async function findings(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]).analyze();
  return violations.filter((v) => v.impact === "serious" || v.impact === "critical")
    .flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.join(" ")}: ${n.failureSummary?.split("\n")[1]?.trim() ?? ""}`));
}

for (const theme of ["dark", "light"] as const) {
  for (const [width, height] of [[1440, 900], [390, 844]] as const) {
    test(`axe finds nothing serious: ${theme}, ${width} x ${height}, exhibits and lab`, async ({ page }) => {
      await page.setViewportSize({ width, height });
      await open(page, `/?test=1&theme=${theme}`);
      await bootTo(page, "hello64", "kvm", 5_000_000);
      expect(await findings(page)).toEqual([]);
      await page.getByTestId("commands").click();
      expect(await findings(page)).toEqual([]);
      await open(page, `/?test=1&theme=${theme}&lab=five-movs`);
      await page.getByTestId("lab").waitFor();
      expect(await findings(page)).toEqual([]);
    });
  }
}

test("at 320 pixels nothing makes the page scroll sideways, and every target is 24 pixels or more", async ({ page }) => {
  await page.setViewportSize({ width: 320, height: 800 });
  for (const address of ["/?test=1", "/?test=1&lab=five-movs"]) {
    await open(page, address);
    if (!address.includes("lab")) await bootTo(page, "hello64", "kvm", 5_000_000);
    else await page.getByTestId("lab").waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(320);
    const small = await page.evaluate(() => [...document.querySelectorAll<HTMLElement>("button, select, summary, input:not([type=file])")]
      .map((e) => ({ text: e.outerHTML.slice(0, 80), box: e.getBoundingClientRect(), cell: e.closest("td")?.getBoundingClientRect() }))
      .filter(({ box, cell }) => box.width > 0 && (Math.max(box.height, cell?.height ?? 0) < 24 || Math.max(box.width, cell?.width ?? 0) < 24)).map(({ text }) => text));
    expect(small).toEqual([]);
  }
});

test("keys run, pause, step, go to the next exit and open the commands; focus can be seen", async ({ page }) => {
  await open(page, "/?test=1&theme=dark");
  await bootTo(page, "hello64", "kvm", 1_000_000);
  await page.keyboard.press("F8");
  await expect(page.getByTestId("toggle")).toContainText("Pause");
  await page.keyboard.press("F8");
  await expect(page.getByTestId("toggle")).toContainText("Run");
  const clock = async () => (await page.evaluate(() => window.vitrine?.stats()))?.instructions ?? 0;
  const before = await clock();
  await page.keyboard.press("F9");
  await expect.poll(clock).toBeGreaterThan(before);
  const exits = async () => (await page.evaluate(() => window.vitrine?.stats()))?.exits_total ?? 0;
  const seen = await exits();
  await page.keyboard.press("F4");
  await expect.poll(exits).toBe(seen + 1);
  await page.keyboard.press("Control+k");
  await expect(page.getByRole("dialog", { name: "Commands" })).toBeVisible();
  await page.keyboard.type("light");
  await page.keyboard.press("Enter");
  await expect(page.locator("html")).toHaveAttribute("data-theme", "light");
  await page.keyboard.press("Tab");
  const outline = await page.evaluate(() => {
    const style = getComputedStyle(document.activeElement ?? document.body);
    return [style.outlineStyle, Number.parseFloat(style.outlineWidth)];
  });
  expect(outline).toEqual(["solid", 2]);
});

test("the terminal lets the keyboard go: F6 leaves it for the next exhibit", async ({ page }) => {
  await open(page);
  await page.getByTestId("console").locator("textarea").focus();
  await page.keyboard.press("F6");
  await expect(page.getByTestId("translate")).toBeFocused();
});

test("with motion reduced nothing moves, and every canvas has a text twin", async ({ page }) => {
  await page.emulateMedia({ reducedMotion: "reduce" });
  await open(page);
  await bootTo(page, "hello64", "kvm", 5_000_000);
  const moving = await page.evaluate(() => [...document.querySelectorAll("*")].filter((e) => {
    const style = getComputedStyle(e);
    return style.animationName !== "none" || Number.parseFloat(style.transitionDuration) > 0;
  }).map((e) => e.className).filter((name) => !String(name).includes("xterm")));
  expect(moving).toEqual([]);
  for (const area of ["memory", "screen"]) {
    const panel = page.getByTestId(`panel-${area}`);
    await panel.scrollIntoViewIfNeeded();
    await expect(panel.locator("canvas")).toHaveAttribute("aria-label", /\w/);
    await panel.locator("summary").click();
    await expect(panel.locator("details [data-testid]")).toBeVisible();
  }
});
