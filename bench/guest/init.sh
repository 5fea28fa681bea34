#!/bin/sh
# /init of the benchmark: the initramfs of `npm run guests` with this file and /bench laid over it. The kernel command
# line names the suite (suite=marks|micro|programs); each line that begins with @ is a mark that bench/suites.mjs knows.
export PATH=/bin HOME=/ TERM=linux
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
echo "@ BOOTED"

md5() { dd if=/dev/zero bs=1M count=24 2>/dev/null | md5sum; }
sum() { awk 'BEGIN { s = 0; for (i = 0; i < 300000; i++) s += i * i % 7; print s }'; }
zip() { dd if=/dev/zero bs=64k count=64 2>/dev/null | gzip | md5sum; }
forks() { i=0; while [ $i -lt 150 ]; do /bin/busybox true; i=$((i + 1)); done; }

# What the first pass costs is told apart from the passes that follow it.
passes() {
  echo "@ $1 begin"
  $2
  echo "@ $1 first"
  n=1
  while [ $n -lt $3 ]; do $2; n=$((n + 1)); done
  echo "@ $1 end"
}

read -r words </proc/cmdline
for word in $words; do
  case $word in
    suite=marks)
      passes MD5 md5 8
      passes AWK sum 3
      passes GZIP zip 30
      passes FORK forks 12
      ;;
    suite=micro | suite=programs) /bench "${word#suite=}" ;;
  esac
done
echo "@ DONE"
while :; do setsid cttyhack sh; done
