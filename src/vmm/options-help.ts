import { cpuModelNames } from "../isa/index.ts";
import { devices } from "./options-device.ts";

/** Version of package.json, and of QEMU's options that are taken. */
export const versionText = "Vitrine emulator version 0.1.0 (with the options of QEMU 7.2)\n";

const options = `
Standard options:
-h or -help              print this text
-version                 print the version
-machine [type=]pc[,accel=kvm|tcg][,kernel-irqchip=on|off|split][,pit=on|off][,hpet=on|off]
-cpu MODEL[,+FEATURE|,-FEATURE|,key=value...]   processor of the guest; -cpu help lists the models
-accel kvm|tcg[,jit=on|off]   with a hypervisor below the guest, or on the bare processor
-smp N                   processors
-m SIZE                  memory in MiB, or with K, M or G
-device DRIVER[,property=value...]              -device help lists them
-global kvm-pit.lost_tick_policy=delay|discard
-overcommit mem-lock=on|off,cpu-pm=on|off
-nodefaults              accepted: there is nothing by default that could be left out
-boot menu=on|off
-rtc base=utc|localtime|YYYY-MM-DD[THH:MM:SS]

Kernel and firmware:
-kernel FILE             bzImage, multiboot or ELF with a PVH note
-initrd FILE             or "FILE words,FILE words" for multiboot modules
-append TEXT
-bios FILE

Display and ports:
-nographic               serial port on standard input and output
-serial stdio|none
-debugcon stdio|none     port E9h on standard output
-display none, -vnc none, -vga std|none, -monitor none, -nic none, -net none

Processor and KVM:
-enable-kvm              as -accel kvm
-no-kvm                  as -accel tcg
-no-kvm-irqchip          as -machine kernel-irqchip=off
-no-hpet                 as -machine hpet=off
-no-reboot               a reset ends the machine
-d unimp                 log opcodes that the processor does not know

Vitrine's own:
-host intel|amd          whose silicon there is
-modprobe MODULE.PARAMETER=VALUE                parameters of kvm, kvm_intel and kvm_amd
-until TEXT              stop when the serial port has printed it
-max-insns N             stop at t = N
-stats FILE              counters as JSON
-state-hash              print the hash of the machine at the end
-clock plain|cost
-pace real|none          the guest's clock follows wall time (with a terminal), or runs as fast as it can
`;

export const helpText = `${versionText}usage: vitrine [options]\n${options}`;

export const deviceText = `${devices.map((d) => `name "${d.name}", bus ${d.bus}, desc "${d.about}"`).join("\n")}\n`;

export const machineText = "Supported machines are:\npc                   Standard PC (i440FX + PIIX, 1996) (default)\n";

export const accelText = "Accelerators supported in QEMU binary:\ntcg\nkvm\n";

export const cpuText = `Available CPUs:\n${cpuModelNames.map((name) => `x86 ${name}\n`).join("")}`;
