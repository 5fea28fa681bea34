#!/bin/sh
# Makes src/hw/cpu/fixtures/*.bin.gz on the processor this runs on (x86-64 Linux with modify_ldt and IA-32 emulation).
set -eu
cd "$(dirname "$0")/../.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
gcc -O1 -fPIE -pie -fno-stack-protector -Wall -Wextra -o "$scratch/oracle" tools/silicon/oracle.c
npx esbuild tools/silicon/generate.ts --bundle --platform=node --format=esm --log-level=warning --outfile="$scratch/generate.mjs"
node "$scratch/generate.mjs" "$scratch/oracle" "$scratch" src/hw/cpu/fixtures "$@"
