import { expect, test } from "vitest";
import { assembleGuest } from "../../guests/build.ts";
import { encode } from "../base/index.ts";
import { assemble } from "../isa/index.ts";
import { KvmAccel } from "./accel-kvm.ts";
import { testMachine } from "./fixtures/dirtier.ts";
import { channelPair } from "./migrate/channel.ts";
import { MigrationSource, MigrationTarget } from "./migrate/index.ts";

type Place = NonNullable<Parameters<typeof testMachine>[0]>;

/** Four processors that start, count, lock and interrupt one another (guests/four-cpus.asm). */
const four = (place: Place = {}) =>
  testMachine({ cpus: 4, kernel: { name: "four-cpus", bytes: assembleGuest("four-cpus").bytes }, ...place });

/** Instants amid the start of the others, the locks, the rounds of interrupts, the destinations. */
const checkpoints = [150_001, 300_000, 500_000, 700_077, 1_000_000, 1_500_000, 2_000_000, 2_600_000];
const end = checkpoints.at(-1) ?? 0;

/** The state hash at each checkpoint. */
async function hashes(place: Place, slice?: number): Promise<string[]> {
  const { machine, runTo } = await four(place);
  return checkpoints.map((t) => {
    runTo(t, slice);
    return machine.stateHash();
  });
}

test("four processors are in the same state bare and under KVM, on Intel and AMD, on one to four processors of the host", async () => {
  const bare = await hashes({});
  expect(new Set(bare).size).toBe(bare.length);
  for (const hostCpus of [1, 2, 3, 4]) expect(await hashes({ accel: "kvm", hostCpus }), `${hostCpus} of Intel`).toEqual(bare);
  for (const hostCpus of [1, 4]) expect(await hashes({ accel: "kvm", silicon: "amd", hostCpus }), `${hostCpus} of AMD`).toEqual(bare);
}, 120_000);

test.each(["off", "split"] as const)("four processors are in the same state when interrupt chips are in user space: kernel-irqchip=%s", async (kernelIrqchip) => {
  const kernel = await hashes({ accel: "kvm" });
  for (const place of [{}, { hostCpus: 1 }, { silicon: "amd" }] as const) expect(await hashes({ accel: "kvm", kernelIrqchip, ...place })).toEqual(kernel);
  expect(await hashes({ accel: "kvm", kernelIrqchip }, 33_333)).toEqual(kernel);
}, 120_000);

test.each<[string, Place]>([
  ["bare", {}],
  ["under KVM on two processors", { accel: "kvm", hostCpus: 2 }],
])("slices of any size lead four processors to the same state, %s", async (_, place) => {
  const whole = await hashes(place);
  for (const slice of [777, 33_333]) expect(await hashes(place, slice)).toEqual(whole);
}, 120_000);

test.each<[string, Place, Place]>([
  ["on the bare machine", {}, {}],
  ["under KVM, on another number of processors", { accel: "kvm", hostCpus: 4 }, { accel: "kvm", hostCpus: 1 }],
  ["from the bare machine to KVM", {}, { accel: "kvm" }],
  ["from chips in user space to chips in the kernel", { accel: "kvm", kernelIrqchip: "off" }, { accel: "kvm" }],
  ["and back", { accel: "kvm" }, { accel: "kvm", kernelIrqchip: "off" }],
  ["from KVM on AMD to the bare machine", { accel: "kvm", silicon: "amd" }, {}],
])("four processors saved at any t go on to the same state %s", async (_, from, to) => {
  for (const t of [150_001, 700_077, 1_400_000]) {
    const a = await four(from), b = await four(to);
    a.runTo(t);
    b.machine.loadFile(a.machine.saveFile());
    expect(b.machine.stateHash()).toBe(a.machine.stateHash());
    a.runTo(end);
    b.runTo(end);
    expect(b.machine.stateHash()).toBe(a.machine.stateHash());
  }
}, 120_000);

test("four processors move to another machine while they run", async () => {
  const a = await four({ accel: "kvm" }), b = await four({ accel: "kvm" });
  a.runTo(300_000);
  const [here, there] = channelPair();
  const source = new MigrationSource({
    machine: a.machine,
    channel: here,
    bandwidth: 1e9,
    between: (bytes) => {
      a.runTo(a.vm.clock.now() + Math.max(1000, Math.ceil(bytes)));
    },
    pause: () => true,
    resume: () => true,
    rule: "downtime",
    downtimeMs: 1,
  });
  const [result, arrived] = await Promise.all([source.run(), new MigrationTarget({ machine: b.machine, channel: there }).run()]);
  if (result.kind !== "moved") throw new Error(result.kind);
  expect(arrived.hash).toBe(result.hash);
  a.runTo(end);
  b.runTo(end);
  expect(b.machine.stateHash()).toBe(a.machine.stateHash());
}, 60_000);

test("a state of four processors is refused by a machine with one", async () => {
  const a = await four(), one = await testMachine();
  a.runTo(300_000);
  expect(encode(a.machine.save()).length).toBeGreaterThan(encode(one.machine.save()).length);
  expect(() => one.machine.restore(a.machine.save())).toThrow(/cpus/);
});

/** The boot processor sends 1,000 NMIs to one that halts, and spins for the effect of each without a PAUSE. */
const pings = (enable: string, send: (low: number) => string) => assemble(`bits 32
org 0x100000
header:
  dd 0x1badb002, 0x10000, -(0x1badb002+0x10000)
  dd header, 0x100000, image_end, image_end, start
start:
  cld
  mov esi, sleeper
  mov edi, 0x8000
  mov ecx, 32
  rep movsb
  mov dword [8], 0x08000008
  ${enable}
  ${send(0x4500)}
  ${send(0x4608)}
up:
  cmp byte [0x9002], 1
  jne up
  mov esi, 1000
next:
  mov bx, [0x9000]
  ${send(0x4400)}
spin:
  cmp bx, [0x9000]
  je spin
  dec esi
  jnz next
  mov al, 0
  out 0xf4, al
sleeper:
bits 16
  xor ax, ax
  mov ds, ax
  jmp short ready
  nop
  nop
nmi:
  inc word [0x9000]
  iret
ready:
  mov byte [0x9002], 1
sleep:
  hlt
  jmp short sleep
image_end:
`).bytes;
const xapic = pings("mov dword [0xfee000f0], 0x1ff\nmov dword [0xfee00310], 0x1000000", (low) => `mov dword [0xfee00300], ${low}`);
const x2apic = pings(
  "mov ecx, 0x1b\nmov eax, 0xfee00d00\nxor edx, edx\nwrmsr\nmov ecx, 0x80f\nmov eax, 0x1ff\nwrmsr",
  (low) => `mov ecx, 0x830\nmov eax, ${low}\nmov edx, 1\nwrmsr`,
);

test.each([
  ["xAPIC", xapic],
  ["x2APIC", x2apic],
])("a processor that interrupts another one by its %s gives it the turn at once", async (_, bytes) => {
  const ends: unknown[] = [];
  for (const place of [{}, { accel: "kvm", hostCpus: 1 }, { accel: "kvm", hostCpus: 2 }, { accel: "kvm", silicon: "amd" }] as const) {
    const { machine, vm } = await testMachine({ cpus: 2, features: ",+x2apic", kernel: { name: "pings", bytes }, ...place });
    expect(machine.run(1e8)).toMatchObject({ kind: "exit" });
    ends.push([vm.clock.now(), machine.stateHash()]);
  }
  expect(new Set(ends.map(String)).size).toBe(1);
  // A turn of 100,000 instructions each, where the sender goes on: 100 million.
  expect(Number(String(ends[0]).split(",")[0])).toBeLessThan(200_000);
});

test("trace events name the vCPU that ran", async () => {
  const { vm, runTo } = await four({ accel: "kvm", hostCpus: 2 });
  if (!(vm instanceof KvmAccel)) throw new Error("no KVM");
  vm.trace.on = true;
  const { ring } = vm.trace,
    seen = new Set<number>();
  for (let t = 20_000, n = 0; t <= end; t += 20_000) {
    runTo(t);
    for (n = Math.max(n, ring.oldest); n < ring.count; n++) {
      const record = vm.trace.read(n);
      if (record?.event === "kvm_entry") seen.add(record.vcpu);
    }
  }
  expect([...seen].sort()).toEqual([0, 1, 2, 3]);
});
