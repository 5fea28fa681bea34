// The initramfs of a guest: a static busybox, our own init, and the modules virtio needs (not loaded yet).
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { charDevice, cpio, directory, file, link } from "./cpio.mjs";

const APPLETS = (
  "[ ash awk basename cat chmod chown clear cmp cp cttyhack cut date dd df dirname dmesg du echo env expr false " +
  "find free grep gunzip gzip halt head hexdump hostname id ifconfig insmod ip kill killall less ln ls lsmod " +
  "md5sum mkdir mknod mktemp modprobe more mount mv nc netstat nice nproc od pidof ping poweroff printf ps pwd " +
  "readlink reboot renice reset rm rmdir rmmod route sed seq setsid sh sha256sum sleep sort stat stty sync " +
  "sysctl tail tar tee telnet test time timeout top touch tr true tty udhcpc umount uname uniq uptime usleep " +
  "vi watch wc wget which xargs xxd yes zcat"
).split(" ");

/** Kernel modules the virtio devices need, by file name without extension; built-in ones are simply absent. */
export const MODULES = [
  "virtio",
  "virtio_ring",
  "virtio_pci_legacy_dev",
  "virtio_pci_modern_dev",
  "virtio_pci",
  "virtio_blk",
  "failover",
  "net_failover",
  "virtio_net",
];

function parents(path) {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}

/**
 * The gzip-compressed archive. `busybox` is the program's bytes, `modules` a list of `{ path, data }` with paths
 * like `lib/modules/RELEASE/kernel/drivers/block/virtio_blk.ko`.
 */
export function initramfs({ busybox, modules }) {
  const names = modules.map((module) => module.path);
  const folders = new Set([
    "bin",
    "dev",
    "etc",
    "lib",
    "proc",
    "root",
    "sys",
    "tmp",
    ...names.flatMap(parents),
  ]);
  const entries = [
    ...[...folders].sort().map((path) => directory(path)),
    // The kernel opens /dev/console for process 1 before any file system is mounted.
    charDevice("dev/console", 5, 1),
    charDevice("dev/null", 1, 3, 0o666),
    file("bin/busybox", busybox, 0o755),
    ...APPLETS.map((name) => link(`bin/${name}`, "busybox")),
    file("init", readFileSync(new URL("init.sh", import.meta.url)), 0o755),
    ...[...modules].sort((a, b) => (a.path < b.path ? -1 : 1)).map(({ path, data }) => file(path, data)),
  ];
  return gzipSync(cpio(entries), { level: 9 });
}
