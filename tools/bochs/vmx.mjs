// What Bochs answers to the VM entries and exits of src/hw/vmx/{entry,exit}-cases.ts: node tools/bochs/vmx.mjs
// Writes src/hw/vmx/fixtures/bochs-{entry-64,entry-32,exit}.txt, a line per case. Needs bochs, nasm and SeaBIOS (Debian's packages).
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { at } from "../lib/fingerprint.mjs";

const MODEL = process.argv[2] ?? "corei7_skylake_x";
const SECTOR = 512;
const GEOMETRY = { cylinders: 20, heads: 16, spt: 63 };
const SECONDS = Number(process.env.SECONDS ?? 15);
const source = at("src/hw/vmx/entry-guest.ts");
const work = mkdtempSync(join(tmpdir(), "vitrine-bochs-"));

/** The TypeScript that makes the guest, as a module of its own. */
async function guests() {
  const outfile = join(work, "guest.mjs");
  await build({
    entryPoints: [source], outfile, bundle: true, platform: "node", format: "esm", logLevel: "error",
    define: { "import.meta.url": JSON.stringify(pathToFileURL(source).href) },
  });
  return import(pathToFileURL(outfile).href);
}
function bochs(table, { bytes, entry }) {
  const file = (name) => join(work, `${name}-${table}`), sectors = Math.ceil(bytes.length / SECTOR);
  execFileSync("nasm", ["-f", "bin", `-DENTRY=${entry}`, `-DSECTORS=${sectors}`, "-o", file("boot"), at("guests/oracle/boot.asm")]);
  writeFileSync(file("disk"), Buffer.concat([readFileSync(file("boot")), bytes]));
  truncateSync(file("disk"), GEOMETRY.cylinders * GEOMETRY.heads * GEOMETRY.spt * SECTOR);
  writeFileSync(file("bochsrc"), `display_library: rfb, options="timeout=0"
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
plugin_ctrl: speaker=0
cpu: model=${MODEL}, count=1, ips=50000000
memory: guest=64, host=64
romimage: file=/usr/share/seabios/bios-256k.bin
vgaromimage: file=/usr/share/seabios/vgabios.bin
ata0-master: type=disk, path=${file("disk")}, mode=flat, cylinders=${GEOMETRY.cylinders}, heads=${GEOMETRY.heads}, spt=${GEOMETRY.spt}
boot: disk
com1: enabled=1, mode=file, dev=${file("com1")}
log: ${file("log")}
`);
  // "c" tells Bochs' debugger to go on; it does not end by itself.
  spawnSync("sh", ["-c", `echo c | timeout ${SECONDS} bochs-bin -q -f ${file("bochsrc")} > /dev/null 2>&1`]);
  return readFileSync(file("com1"), "latin1");
}

mkdirSync(at("src/hw/vmx/fixtures"), { recursive: true });
try {
  const { entryGuest, bochsOutcomes, tables } = await guests();
  for (const table of tables) {
    const lines = bochsOutcomes(table, bochs(table, entryGuest(table, true)));
    writeFileSync(at(`src/hw/vmx/fixtures/bochs-${table}.txt`), `${lines.join("\n")}\n`);
    console.log(`bochs: ${table}: ${lines.length} cases on ${MODEL}`);
  }
} finally {
  if (process.env.KEEP) console.log(work);
  else rmSync(work, { recursive: true });
}
