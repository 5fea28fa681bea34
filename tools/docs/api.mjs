// docs/kvm-api.md from src/kvm/api.ts and the signatures of the methods: npm run docs:api
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import ts from "typescript";
import { at } from "../lib/fingerprint.mjs";

export const OUTPUT = "docs/kvm-api.md";
/** The classes behind the file descriptors; a vCPU's is in two chapters. */
const SOURCES = { system: ["src/kvm/system.ts"], vm: ["src/kvm/vm.ts"], vcpu: ["src/kvm/x86/vcpu.ts", "src/kvm/x86/state.ts"] };
const CLASSES = new Set(["KvmSystem", "KvmVm", "X86Vcpu", "VcpuState"]);

export async function readTable() {
  const { outputFiles } = await build({ entryPoints: [at("src/kvm/api.ts")], bundle: true, write: false, format: "esm", logLevel: "error" });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}

/** Public methods and accessors of each class: name to signature, as the source has it. */
export function signatures() {
  return Object.fromEntries(Object.entries(SOURCES).map(([type, files]) => [type, new Map(files.flatMap(methodsOf))]));
}
function methodsOf(file) {
  const source = ts.createSourceFile(file, readFileSync(at(file), "utf8"), ts.ScriptTarget.Latest, true);
  return source.statements.filter((s) => ts.isClassDeclaration(s) && CLASSES.has(s.name?.text)).flatMap((c) => c.members.flatMap((m) => {
    const method = (ts.isMethodDeclaration(m) || ts.isGetAccessor(m)) && ts.isIdentifier(m.name);
    const inside = m.modifiers?.some((x) => [ts.SyntaxKind.ProtectedKeyword, ts.SyntaxKind.PrivateKeyword].includes(x.kind));
    if (!method || inside) return [];
    const text = `${m.name.text}(${m.parameters.map((p) => p.getText(source)).join(", ")}): ${m.type?.getText(source) ?? "void"}`;
    return [[m.name.text, text.replace(/\s+/g, " ").replace("X86Vcpu", "KvmVcpu")]];
  }));
}

export async function apiText() {
  const { apiCalls } = await readTable(), known = signatures();
  const call = ({ ioctl, methods, capability, architectures, type, parameters, returns, errors, text }) => [
    `### ${ioctl}`, "",
    `- **Capability**: ${capability}`, `- **Architectures**: ${architectures}`, `- **Type**: ${type} ioctl`,
    `- **Parameters**: ${parameters}`, `- **Returns**: ${returns}`, "",
    "```ts", ...methods.map((name) => known[type].get(name) ?? `${name}: missing`), "```", "",
    ...(errors.length > 0 ? ["| error | when |", "|---|---|", ...errors.map(([name, when]) => `| ${name} | ${when} |`), ""] : []),
    text, "",
  ];
  const chapter = (type, title) => [`## ${title}`, "", ...apiCalls.filter((c) => c.type === type).flatMap(call)];
  return [
    "# The KVM API of Vitrine", "",
    "Made by `npm run docs:api` from `src/kvm/api.ts` and the sources beside it; do not edit. The calls are methods of the objects",
    "behind three file descriptors: what opening /dev/kvm gives, a VM, a vCPU. A call that is refused throws `KvmError` with the kernel's",
    "errno and a sentence that names the value and the cure. \"Type\" says on which file descriptor the kernel has the call.", "",
    ...chapter("system", "System"), ...chapter("vm", "VM"), ...chapter("vcpu", "vCPU"),
  ].join("\n").replace(/\n+$/, "\n");
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  writeFileSync(at(OUTPUT), await apiText());
  console.log(`docs: ${OUTPUT}`);
}
