// What a visitor's browser fetches before the page can be used, as gzip sends it.
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { at } from "../lib/fingerprint.mjs";

const kib = (bytes) => bytes / 1024;
const packed = (path) => gzipSync(readFileSync(path), { level: 9 }).length;

/** Scripts that index.html names, and the machine's worker, which starts with the page; and the core. */
export async function sizes() {
  const html = readFileSync(at("dist/index.html"), "utf8");
  const named = [...html.matchAll(/(?:src|href)="\.\/(assets\/[^"]+\.js)"/g)].map((m) => m[1]);
  const all = readdirSync(at("dist/assets"));
  const workers = all.filter((name) => /^machine\.worker.*\.js$/.test(name)).map((name) => `assets/${name}`);
  const cores = all.filter((name) => name.endsWith(".wasm"));
  const sum = (names) => names.reduce((total, name) => total + packed(at("dist", name)), 0);
  return [
    { name: "initial JavaScript with the worker, gzip", value: kib(sum([...named, ...workers])), unit: "KiB", limit: { most: 350 } },
    { name: "Wasm core, gzip", value: kib(sum(cores.map((name) => `assets/${name}`))), unit: "KiB", limit: { most: 400 } },
  ];
}
