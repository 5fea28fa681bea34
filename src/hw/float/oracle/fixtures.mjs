// Packs the oracle's output into the committed fixture:
//   gcc -O2 -o build/oracle src/hw/float/oracle/oracle.c && build/oracle > build/raw.bin
//   node src/hw/float/oracle/fixtures.mjs build/raw.bin
import { readFileSync, writeFileSync } from "node:fs";
import { brotliCompressSync, constants } from "node:zlib";

const raw = readFileSync(process.argv[2]);
const packed = brotliCompressSync(raw, {
  params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 },
});
writeFileSync(new URL("./silicon.bin.br", import.meta.url), packed);
console.log(`${raw.length} bytes packed into ${packed.length}`);
