/**
 * Compiles an AssemblyScript entry the way the core is compiled and instantiates it.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { main } from "assemblyscript/asc";

/** Instance of the module whose entry file is `entry` (an absolute path). */
export async function compileLibrary(entry: string): Promise<WebAssembly.Instance> {
  let binary: Uint8Array | undefined;
  const folder = dirname(entry);
  const name = entry.slice(folder.length + 1);
  const { error, stderr } = await main(
    [name, "--baseDir", folder, "--runtime", "stub", "-O3", "--noAssert", "--initialMemory", "16",
      "--outFile", "out.wasm"],
    {
      readFile: (file: string, base: string): string | null => {
        try {
          return readFileSync(join(base, file), "utf8");
        } catch {
          return null;
        }
      },
      writeFile: (_file: string, data: Uint8Array | string): void => {
        if (typeof data !== "string") binary = data;
      },
      listFiles: (): string[] => [],
    },
  );
  if (error || !binary) throw new Error(`${entry}: ${stderr.toString()}; mend the AssemblyScript source`);
  const module = new WebAssembly.Module(new Uint8Array(binary));
  return new WebAssembly.Instance(module, { env: { abort: (): void => undefined } });
}
