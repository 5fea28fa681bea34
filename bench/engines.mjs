// The engines of the comparison: same kernel, initramfs, memory and command line for each.
import { existsSync } from "node:fs";
import { findChromium } from "../tools/lib/setup.mjs";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const MEGABYTES = "256";
const APPEND = "console=ttyS0 panic=-1 tsc=reliable";
const QEMU = ["/usr/bin/qemu-system-x86_64", "/usr/local/bin/qemu-system-x86_64"].find((path) =>
  existsSync(path),
);
/** The same processor on ours and on QEMU. */
const CPU = { i386: "pentium3", amd64: "qemu64" };

/** Files of a guest, from `npm run guests`. */
export function guestFiles(guest) {
  const folder = here(`../guests/cache/linux-${guest}`);
  return { kernel: `${folder}/bzImage`, initrd: `${folder}/initrd.cpio.gz` };
}

function boot({ guest, suite, initrd }) {
  const { kernel } = guestFiles(guest);
  return ["-m", MEGABYTES, "-kernel", kernel, "-initrd", initrd, "-append", `${APPEND} suite=${suite}`, "-no-reboot"];
}

function ours(accel, more = []) {
  return (job) => ({
    command: process.execPath,
    args: [here("../bin/vitrine.mjs"), "-accel", accel, "-cpu", CPU[job.guest], ...boot(job), "-nographic", ...more],
  });
}

/** What KVM can be made to do instead of VT-x with EPT. */
const KVM_WAYS = {
  vtlb: ["-modprobe", "kvm_intel.ept=0,kvm.mmu=vtlb"],
  cached: ["-modprobe", "kvm_intel.ept=0,kvm.mmu=cached"],
  svm: ["-host", "amd"],
};

function v86Arguments({ guest, suite, initrd }, jit) {
  return [guestFiles(guest).kernel, initrd, `${APPEND} suite=${suite}`, MEGABYTES, here("../guests/cache/seabios"), jit];
}

function v86(jit) {
  return (job) => ({ command: process.execPath, args: [here("v86.mjs"), ...v86Arguments(job, jit)] });
}

/** The same in Chromium, ours as a visitor has it: the page with every exhibit open. */
function inChromium(args) {
  return (job) => ({ command: process.execPath, args: [here("chromium.mjs"), ...args(job)] });
}

function qemu(job) {
  const display = ["-display", "none", "-serial", "stdio", "-monitor", "none"];
  const cpu = ["-accel", "tcg,thread=single", "-cpu", CPU[job.guest]];
  return { command: QEMU, args: [...cpu, ...boot(job), ...display] };
}

/** Name, guests it can run, whether it is here, and the program for a job: `{ guest, suite, initrd }`. */
export const ENGINES = [
  ...["kvm", "tcg", "kvm,jit=off", "tcg,jit=off"].map((accel) => ({
    name: `vitrine-${accel.replace(",jit=off", "-nojit")}`,
    guests: ["i386", "amd64"],
    present: () => existsSync(here("../bin/vitrine.ts")),
    program: ours(accel),
  })),
  ...Object.entries(KVM_WAYS).map(([way, more]) => ({
    name: `vitrine-kvm-${way}`,
    guests: ["i386", "amd64"],
    present: () => existsSync(here("../bin/vitrine.ts")),
    program: ours("kvm", more),
  })),
  {
    name: "v86-nojit",
    guests: ["i386"],
    present: () => existsSync(here("../node_modules/v86")),
    program: v86("nojit"),
  },
  {
    name: "v86",
    guests: ["i386"],
    present: () => existsSync(here("../node_modules/v86")),
    program: v86("jit"),
  },
  ...["tcg", "kvm"].map((accel) => ({
    name: `vitrine-${accel}-chromium`,
    guests: ["i386", "amd64"],
    present: () => findChromium() !== undefined,
    program: inChromium(({ guest, suite, initrd }) => ["vitrine", guest, accel, initrd, `suite=${suite}`]),
  })),
  ...["nojit", "jit"].map((jit) => ({
    name: jit === "jit" ? "v86-chromium" : "v86-nojit-chromium",
    guests: ["i386"],
    present: () => findChromium() !== undefined && existsSync(here("../node_modules/v86")),
    program: inChromium((job) => ["v86", ...v86Arguments(job, jit)]),
  })),
  { name: "qemu", guests: ["i386", "amd64"], present: () => QEMU !== undefined, program: qemu },
];
