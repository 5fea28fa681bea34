import { expect, test } from "vitest";
import { readFragment, writeFragment } from "./url.ts";

test("what a reload keeps comes back from the fragment", async () => {
  const kept = { guest: "linux-amd64", accel: "tcg", cpus: 4, shut: ["memory", "screen"], address: "0xffffffff81000000" } as const;
  const fragment = await writeFragment(kept);
  expect(fragment).toMatch(/^1\.[\w-]+$/);
  expect(await readFragment(`#${fragment}`)).toEqual(kept);
});

test.each([
  ["none", ""], ["another format", "#2.abcd"], ["a cut one", "#1.q1YqSy3KLS5"], ["one that is no base64", "#1.%%%"],
  ["a long one", `#1.${"A".repeat(5000)}`],
])("%s opens the page as it is", async (_, fragment) => {
  expect(await readFragment(fragment)).toEqual({});
});

test("values of the wrong kind are left out", async () => {
  const fragment = await writeFragment({ guest: 3, accel: "xen", cpus: 3, shut: [1, "cpu"], address: "x".repeat(30) } as never);
  expect(await readFragment(`#${fragment}`)).toEqual({ shut: ["cpu"] });
});
