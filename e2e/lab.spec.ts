// The lab on the page gives what the command line gives.
import { execFileSync } from "node:child_process";
import { expect, type Page, test } from "@playwright/test";
import type { LabResult, Place, Predictions } from "../src/vmm/public.ts";
import { open } from "./support.ts";

let node: LabResult;
test.beforeAll(() => {
  node = JSON.parse(execFileSync(process.execPath, ["bin/vitrine.mjs", "lab", "run", "five-movs", "--json"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })) as LabResult;
});

async function fill(page: Page, predictions: Predictions): Promise<void> {
  for (const place of ["bare", "ept"] as readonly Place[]) {
    for (const [id, cost] of Object.entries(predictions[place])) {
      const field = (key: string) => page.getByTestId(`predict-${place}-${id}-${key}`);
      await field("references").fill(String(cost.references));
      await field("exits").fill(String(cost.exits));
      await field("emulated").setChecked(cost.emulated);
      await field("fault").setChecked(cost.fault);
    }
  }
}

const measured = (): Predictions => {
  const at = (place: Place) => Object.fromEntries(node.rows.filter((r) => r.place === place).map((r) => [r.id, r.measured]));
  return { bare: at("bare"), ept: at("ept") };
};

test("?lab=five-movs: right predictions pass, with the verdict and the hash of the command line", async ({ page }) => {
  const complaints = await open(page, "/?lab=five-movs&test=1");
  await expect(page.getByTestId("lab-run")).toBeDisabled();
  await fill(page, measured());
  await page.getByTestId("lab-run").click();
  await expect(page.getByTestId("lab-verdict")).toHaveAttribute("data-verdict", node.verdict);
  await expect(page.getByTestId("lab-hash")).toHaveText(node.hash);
  await expect(page.locator("tr[data-right=true]")).toHaveCount(10);
  expect(node.verdict).toBe("pass");
  expect(await page.evaluate(() => window.vitrine?.runLab("five-movs"))).toEqual(node);
  expect(complaints).toEqual([]);
});

test("a wrong prediction fails, says where first, and opens the machine there", async ({ page }) => {
  await open(page, "/?lab=five-movs&test=1");
  const wrong = structuredClone(measured());
  Object.assign(wrong.ept.mapped ?? {}, { references: 24 });
  await fill(page, wrong);
  await page.getByTestId("lab-run").click();
  await expect(page.getByTestId("lab-verdict")).toHaveAttribute("data-verdict", "fail");
  await expect(page.getByTestId("row-ept-mapped")).toHaveAttribute("data-right", "false");
  await expect(page.getByTestId("row-ept-mapped")).toContainText("✕ 19");
  await expect(page.getByTestId("lab-hash")).toHaveText(node.hash);
  const t = node.rows.find((r) => r.place === "ept" && r.id === "mapped")?.t;
  await page.getByTestId("lab-open").click();
  await expect.poll(async () => (await page.evaluate(() => window.vitrine?.stats().catch(() => undefined)))?.instructions).toBe(t);
  await page.getByTestId("panel-cpu").scrollIntoViewIfNeeded();
  await expect(page.getByTestId("code").locator("li").first()).toContainText("mov dword [rbx],eax");
});

test("a lab that there is none of is one clear line", async ({ page }) => {
  await open(page, "/?lab=six-movs&test=1");
  await expect(page.getByTestId("problem")).toContainText("lab: six-movs; choose one of five-movs");
});
