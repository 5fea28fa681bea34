import { spawnSync } from "node:child_process";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { charDevice, cpio, directory, file, link } from "./cpio.mjs";
import { initramfs } from "./initramfs.mjs";

const ENTRIES = [
  directory("bin"),
  charDevice("console", 5, 1),
  file("bin/three", Buffer.from("abc"), 0o755),
  file("empty", Buffer.alloc(0)),
  link("bin/alias", "three"),
];

/** The archive read back by a parser of the header's fields, independent of the writer. */
function parse(bytes) {
  const members = [];
  let at = 0;
  for (;;) {
    const field = (index) =>
      Number.parseInt(bytes.toString("latin1", at + 6 + index * 8, at + 14 + index * 8), 16);
    expect(bytes.toString("latin1", at, at + 6)).toBe("070701");
    const nameSize = field(11);
    const name = bytes.toString("latin1", at + 110, at + 110 + nameSize - 1);
    if (name === "TRAILER!!!") return members;
    const data = at + ((110 + nameSize + 3) & ~3);
    members.push({
      name,
      mode: field(1),
      time: field(5),
      major: field(9),
      data: bytes.subarray(data, data + field(6)),
    });
    at = data + ((field(6) + 3) & ~3);
  }
}

test("every entry comes back with its name, mode, device and data, and time 0", () => {
  const members = parse(cpio(ENTRIES));
  expect(members.map(({ name }) => name)).toEqual(["bin", "console", "bin/three", "empty", "bin/alias"]);
  expect(members.map(({ mode }) => mode.toString(8))).toEqual([
    "40755",
    "20600",
    "100755",
    "100644",
    "120777",
  ]);
  expect(members[1].major).toBe(5);
  expect(members[2].data.toString()).toBe("abc");
  expect(members[4].data.toString()).toBe("three");
  expect(members.every(({ time }) => time === 0)).toBe(true);
});

test("the archive is a whole number of 512-byte blocks and the same on every call", () => {
  expect(cpio(ENTRIES).length % 512).toBe(0);
  expect(cpio(ENTRIES).equals(cpio(ENTRIES))).toBe(true);
});

// The cpio program is an oracle where it is installed; the parser above is the test everywhere.
test.runIf(spawnSync("cpio", ["--version"]).status === 0)(
  "cpio -t lists the archive without complaint",
  () => {
    const listed = spawnSync("cpio", ["-t", "--quiet"], { input: cpio(ENTRIES), encoding: "utf8" });
    expect(listed.status).toBe(0);
    expect(listed.stdout.trim().split("\n")).toEqual(["bin", "console", "bin/three", "empty", "bin/alias"]);
  },
);

test("the initramfs holds init, busybox and each module below its folders, parents first", () => {
  const path = "lib/modules/6.1/kernel/drivers/virtio/virtio.ko";
  const archive = gunzipSync(
    initramfs({ busybox: Buffer.from("busybox"), modules: [{ path, data: Buffer.from("m") }] }),
  );
  const names = parse(archive).map(({ name }) => name);
  expect(names).toContain("init");
  expect(names).toContain("bin/busybox");
  expect(names.indexOf("lib/modules/6.1")).toBeLessThan(names.indexOf(path));
  expect(names.indexOf("lib")).toBeLessThan(names.indexOf("lib/modules"));
});
