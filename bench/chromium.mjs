// One engine in Chromium as a program: node chromium.mjs vitrine GUEST ACCEL INITRD APPEND, or v86 KERNEL INITRD CMDLINE MEGABYTES FIRMWARE JIT.
// Standard output carries the guest's serial port; the line READY says that the browser is up and the guest starts.
import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { openBrowser } from "../tools/lib/page.mjs";
import { READY } from "./marks.mjs";

/** Between two looks at the serial port: the resolution of a mark. */
const LOOK_MS = 20;

/** Prints what `text` in the page has grown by, for ever: the bench ends this program. */
async function follow(page, text) {
  for (let length = 0; ; ) {
    const fresh = await page.evaluate(text, length);
    process.stdout.write(Buffer.from(fresh, "latin1"));
    length += fresh.length;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

async function vitrine([guest, accel, initrd, append]) {
  const { open } = await openBrowser();
  const page = await open();
  await page.route(`**/linux-${guest}/initrd.cpio.gz`, (route) => route.fulfill({ path: initrd, contentType: "application/octet-stream" }));
  process.stdout.write(`${READY}\n`);
  await page.evaluate(([name, options]) => window.vitrine.boot(name, options), [`linux-${guest}`, { accel, append }]);
  await follow(page, (from) => window.vitrine.serial().then((text) => text.slice(from)));
}

/** Serves the files by name, and an empty page that is isolated as ours is. */
function serve(files) {
  const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
  const server = createServer((request, response) => {
    const path = files[request.url];
    if (path === undefined || !existsSync(path)) {
      response.writeHead(request.url === "/" ? 200 : 404, { ...headers, "Content-Type": "text/html" }).end("<!doctype html>");
      return;
    }
    const type = path.endsWith(".mjs") ? "text/javascript" : path.endsWith(".wasm") ? "application/wasm" : "application/octet-stream";
    response.writeHead(200, { ...headers, "Content-Type": type });
    createReadStream(path).pipe(response);
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${server.address().port}/`)));
}

/** In the page: the same settings as bench/v86.mjs. */
async function startV86({ cmdline, megabytes, jit }) {
  const { V86 } = await import("/libv86.mjs");
  const machine = new V86({
    wasm_path: "/v86.wasm",
    bios: { url: "/bios.bin" },
    vga_bios: { url: "/vgabios.bin" },
    bzimage: { url: "/kernel" },
    initrd: { url: "/initrd" },
    cmdline,
    memory_size: megabytes * 2 ** 20,
    disable_jit: jit === "nojit",
    autostart: true,
  });
  window.serial = "";
  machine.add_listener("serial0-output-byte", (byte) => {
    window.serial += String.fromCharCode(byte);
  });
}

async function v86([kernel, initrd, cmdline, megabytes, firmware, jit]) {
  const build = dirname(createRequire(import.meta.url).resolve("v86/build/v86.wasm"));
  const address = await serve({
    "/libv86.mjs": join(build, "libv86.mjs"), "/v86.wasm": join(build, "v86.wasm"), "/kernel": kernel, "/initrd": initrd,
    "/bios.bin": join(firmware, "bios.bin"), "/vgabios.bin": join(firmware, "vgabios-stdvga.bin"),
  });
  const { browser } = await openBrowser();
  const page = await browser.newPage();
  await page.goto(address);
  process.stdout.write(`${READY}\n`);
  await page.evaluate(startV86, { cmdline, megabytes: Number(megabytes), jit });
  await follow(page, (from) => window.serial.slice(from));
}

const [engine, ...args] = process.argv.slice(2);
await (engine === "v86" ? v86(args) : vitrine(args));
