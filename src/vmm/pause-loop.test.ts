// Loops of PAUSEs: where several processors take turns, and under KVM, whose guests exit there.
import { expect, test } from "vitest";
import { assemble } from "../isa/index.ts";
import { KvmAccel } from "./accel-kvm.ts";
import { testMachine } from "./fixtures/dirtier.ts";

type Place = NonNullable<Parameters<typeof testMachine>[0]>;

/** Two processors; `first` runs on the boot processor when the other one is up and runs `second`. Both are of 32 bits; EBX is 9000h. */
const two = (first: string, second: string) => assemble(`bits 32
org 0x100000
header:
  dd 0x1badb002, 0x10000, -(0x1badb002+0x10000)
  dd header, 0x100000, image_end, image_end, start
start:
  cld
  mov esi, sleeper
  mov edi, 0x8000
  mov ecx, 64
  rep movsb
  mov ebx, 0x9000
  mov dword [ebx], 0
  mov dword [ebx+4], 0
  mov byte [0x9100], 0
  mov dword [0xfee000f0], 0x1ff
  mov dword [0xfee00310], 0x1000000
  mov dword [0xfee00300], 0x4500
  mov dword [0xfee00300], 0x4608
up:
  cmp byte [0x9100], 1
  jne up
${first}
  mov al, 0
  out 0xf4, al
sleeper:
bits 16
  xor ax, ax
  mov ds, ax
  mov bx, 0x9000
  mov byte [0x9100], 1
${second}
image_end:
`).bytes;

/** Seven PAUSEs and then a mark: as many as the CR3 test of kvm-unit-tests' svm has, and a few more. */
const few = two(
  "mov dword [ebx], 1\nanswer:\ncmp dword [ebx], 2\njne answer\nmov eax, [ebx+4]\nmov [ebx+8], eax",
  `wait:
  pause
  cmp word [bx], 1
  jne wait
  mov word [bx], 2
${"  pause\n".repeat(7)}
  mov word [bx+4], 1
halt:
  cli
  hlt
  jmp short halt`,
);
/** Nobody waits: the other processor sleeps while this one executes 100,000 PAUSEs. */
const alone = two("mov ecx, 100000\nspin:\npause\ndec ecx\njnz spin", "halt:\ncli\nhlt\njmp short halt");
/** Two counters: each processor waits for the other one to count. */
const wait = (name: string, own: number, other: number, register: string) => `mov ${register}, 200
${name}:
  inc word [${register === "ecx" ? "ebx" : "bx"}+${own}]
${name}_wait:
  pause
  mov ax, [${register === "ecx" ? "ebx" : "bx"}+${other}]
  cmp ax, [${register === "ecx" ? "ebx" : "bx"}+${own}]
  jb ${name}_wait
  dec ${register}
  jnz ${name}`;
const pingPong = two(wait("ping", 0, 2, "ecx"), `${wait("pong", 2, 0, "cx")}
halt:
  cli
  hlt
  jmp short halt`);

/** A second SIPI, as Linux sends it, for a processor that has begun and counts. */
const again = two(
  "begun:\ncmp word [ebx], 0\nje begun\nmov eax, [ebx]\nmov dword [0xfee00300], 0x4608\nsub eax, [ebx]\nmov [ebx+8], eax",
  "count:\ninc word [bx]\njmp short count",
);

const places: readonly Place[] = [
  {},
  ...(["intel", "amd"] as const).flatMap((silicon) => [1, 2].map((hostCpus): Place => ({ accel: "kvm", silicon, hostCpus }))),
];
async function run(bytes: Uint8Array, place: Place, slice = 1e8) {
  const { machine, vm } = await testMachine({ cpus: 2, kernel: { name: "pauses", bytes }, ...place });
  let stop = machine.run(slice);
  while (stop.kind === "budget" && vm.clock.now() < 1e8) stop = machine.run(vm.clock.now() + slice);
  expect(stop).toMatchObject({ kind: "exit" });
  const stats = vm instanceof KvmAccel ? vm.stats : undefined;
  const exits = stats ? (stats.reasons[stats.names.index(vm instanceof KvmAccel && vm.host.silicon === "amd" ? 0x77 : 40)] ?? 0) : 0;
  return { t: vm.clock.now(), hash: machine.stateHash(), exits };
}

test("a few PAUSEs do not give the turn away", async () => {
  for (const place of places) {
    const { machine, vm } = await testMachine({ cpus: 2, kernel: { name: "pauses", bytes: few }, ...place });
    expect(machine.run(1e8)).toMatchObject({ kind: "exit" });
    // What stood behind the seventh PAUSE when the answer was seen.
    const mark = new Uint8Array(1);
    vm.memory.read(0x9008, mark);
    expect(mark[0], JSON.stringify(place)).toBe(1);
  }
});

test("a SIPI that is nothing to a processor, since it has begun, does not end the sender's turn", async () => {
  for (const place of [...places, { accel: "kvm", kernelIrqchip: "off" }, { accel: "kvm", kernelIrqchip: "split" }] as const) {
    const { machine, vm } = await testMachine({ cpus: 2, kernel: { name: "again", bytes: again }, ...place });
    expect(machine.run(1e8)).toMatchObject({ kind: "exit" });
    const counted = new Uint8Array(4);
    vm.memory.read(0x9008, counted);
    expect([...counted], JSON.stringify(place)).toEqual([0, 0, 0, 0]);
  }
});

test("two processors that wait for one another in loops of PAUSEs come to the same end on every engine, in slices of any size", async () => {
  const [bare, ...others] = await Promise.all(places.map((place) => run(pingPong, place)));
  // A turn of 100,000 instructions for each of 400 waits would be 40 million.
  expect(bare?.t).toBeLessThan(400_000);
  for (const other of others) expect([other.t, other.hash]).toEqual([bare?.t, bare?.hash]);
  for (const slice of [77, 1001]) {
    for (const place of [{}, { accel: "kvm" }] as const) expect((await run(pingPong, place, slice)).hash).toBe(bare?.hash);
  }
});

test("a loop of PAUSEs that goes on while no other processor waits exits from KVM's guest, less and less often, and t is the bare machine's", async () => {
  const bare = await run(alone, {});
  for (const silicon of ["intel", "amd"] as const) {
    const { t, hash, exits } = await run(alone, { accel: "kvm", silicon });
    expect([t, hash]).toEqual([bare.t, bare.hash]);
    // Windows of 4,096 ticks and 3,000 PAUSEs, doubled each time.
    expect(exits).toBe(silicon === "intel" ? 6 : 5);
  }
});

test.each<[string, Place, number]>([
  ["kvm_intel.ple_gap=0: no exit", { params: { "kvm_intel.ple_gap": "0" } }, 0],
  ["kvm_intel.ple_gap=1: these PAUSEs are no loop", { params: { "kvm_intel.ple_gap": "1" } }, 0],
  ["kvm_intel.ple_window=100000", { params: { "kvm_intel.ple_window": "100000" } }, 1],
  ["kvm_amd.pause_filter_count=0", { silicon: "amd", params: { "kvm_amd.pause_filter_count": "0" } }, 0],
  ["kvm_amd.pause_filter_count=60000", { silicon: "amd", params: { "kvm_amd.pause_filter_count": "60000" } }, 1],
])("%s", async (_, place, exits) => {
  expect((await run(alone, { accel: "kvm", ...place })).exits).toBe(exits);
});

test("with a window shorter than the scheduler's the vCPU that spins gives its turn to one that wants to run", async () => {
  const short = [["intel", { "kvm_intel.ple_window": "20" }], ["amd", { "kvm_amd.pause_filter_count": "5" }]] as const;
  for (const [silicon, params] of short) {
    // Each of 200 rounds. A CPU of its own is never scheduled in again: there the window grows until the scheduler's is the shorter one.
    const shared = await run(pingPong, { accel: "kvm", silicon, params, hostCpus: 1 }), own = await run(pingPong, { accel: "kvm", silicon, params, hostCpus: 2 });
    expect([shared.exits >= 200, own.exits > 5, own.exits < 50]).toEqual([true, true, true]);
    expect(shared.t).toBeLessThan(own.t);
  }
});

test("a guest with one processor never exits for PAUSE", async () => {
  const { vm, runTo } = await testMachine({ accel: "kvm", kernel: { name: "spin", bytes: assemble(`bits 32
org 0x100000
header:
  dd 0x1badb002, 0x10000, -(0x1badb002+0x10000)
  dd header, 0x100000, image_end, image_end, start
start:
  pause
  jmp start
image_end:
`).bytes } });
  runTo(200_000);
  if (!(vm instanceof KvmAccel)) throw new Error("no KVM");
  expect(vm.stats.reasons[vm.stats.names.index(40)]).toBe(0);
});
