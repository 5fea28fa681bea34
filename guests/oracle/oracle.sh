#!/bin/sh
# What other programs make of our guests: nasm's hashes (guests/nasm.txt), QEMU's serial text of hello64,
# two-processes, svm11 and four-cpus, Bochs' of vmm11. Run from the top of the repository; the tests hold what it prints.
set -eu
work=$(mktemp -d)
for guest in hello64 two-processes vmm11 svm11 four-cpus picture which-mmu fuzz; do
  nasm -w-all -Iguests/ -f bin -o "$work/$guest" "guests/$guest.asm"
  echo "$guest $(sha256sum "$work/$guest" | cut -d' ' -f1)"
done | tee guests/nasm.txt
for guest in hello64 two-processes svm11 four-cpus picture; do
  timeout 6 qemu-system-x86_64 -cpu qemu64,+svm -smp 4 -kernel "$work/$guest" -serial stdio -display none -no-reboot \
    -device isa-debug-exit,iobase=0xf4,iosize=4 < /dev/null 2> /dev/null || true
done
entry=$(od -A n -t x4 -j 28 -N 4 "$work/vmm11" | tr -d ' ')
nasm -f bin "-DENTRY=0x$entry" -o "$work/boot" guests/oracle/boot.asm
cat "$work/boot" "$work/vmm11" > "$work/disk"
truncate -s $((20 * 16 * 63 * 512)) "$work/disk"
cat > "$work/bochsrc" <<END
display_library: rfb, options="timeout=0"
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
plugin_ctrl: speaker=0
cpu: model=corei7_sandy_bridge_2600k, count=1, ips=50000000
memory: guest=64, host=64
romimage: file=/usr/share/seabios/bios-256k.bin
vgaromimage: file=/usr/share/seabios/vgabios.bin
ata0-master: type=disk, path=$work/disk, mode=flat, cylinders=20, heads=16, spt=63
boot: disk
com1: enabled=1, mode=file, dev=$work/com1
log: $work/log
END
echo c | timeout 30 bochs-bin -q -f "$work/bochsrc" > /dev/null 2>&1 || true
cat "$work/com1"
rm -r "$work"
