/**
 * The calls of /dev/kvm and what each promises, in the five fields of the kernel's own description of its API. docs/kvm-api.md
 * is made from this table and from the signatures of the methods: `npm run docs:api`.
 */
export interface ApiCall {
  readonly ioctl: string;
  /** The methods that carry it. */
  readonly methods: readonly string[];
  /** KVM_CAP_*, or "basic". */
  readonly capability: string;
  readonly architectures: "all" | "x86";
  readonly type: "system" | "vm" | "vcpu";
  /** What goes in, as user space sees it. */
  readonly parameters: string;
  readonly returns: string;
  /** Errno and when. */
  readonly errors: readonly (readonly [string, string])[];
  readonly text: string;
}

type Row = readonly [
  ioctl: string, methods: string, capability: string, architectures: "all" | "x86", parameters: string, returns: string,
  errors: readonly (readonly [string, string])[], text: string,
];

const system: readonly Row[] = [
  ["KVM_GET_API_VERSION", "getApiVersion", "basic", "all", "none", "12", [],
    "Says that this is the API that has not changed since it became stable. A user space goes no further with any other number."],
  ["KVM_CREATE_VM", "createVm", "basic", "all", "machine type, 0", "the VM",
    [["EINVAL", "a type other than 0"], ["EBUSY", "the host has a VM already"]],
    "A VM without memory, interrupt chips or vCPUs. Its clock stands at 0 and moves only while a vCPU of it runs. One VM lives on one emulated host."],
  ["KVM_GET_MSR_INDEX_LIST", "getMsrIndexList", "basic", "x86", "none", "indexes", [],
    "The MSRs that can be read and written from outside, so that a user space that saves a vCPU does not have to know them."],
  ["KVM_CHECK_EXTENSION", "checkExtension", "basic", "all", "name of the capability without KVM_CAP_", "0 when it is missing, otherwise 1 or the capability's own number", [],
    "For DIRTY_LOG_RING the number is the size in bytes of the largest ring, for MANUAL_DIRTY_LOG_PROTECT2 the flags that may be given, for NR_MEMSLOTS and the vCPU capabilities a count."],
  ["KVM_GET_VCPU_MMAP_SIZE", "getVcpuMmapSize", "basic", "all", "none", "bytes", [],
    "What user space would map of a vCPU. Here struct kvm_run is an object of the vCPU, `run`; the number is kept for programs that ask."],
  ["KVM_GET_SUPPORTED_CPUID", "getSupportedCpuid", "KVM_CAP_EXT_CPUID", "x86", "none", "CPUID leaves", [],
    "What the host's processor has and KVM can pass on, and KVM's own leaves at 40000000h. Giving them to KVM_SET_CPUID2 as they are makes a guest that sees all of it."],
];

const vm: readonly Row[] = [
  ["KVM_CREATE_VCPU", "createVcpu", "basic", "all", "number of the vCPU, from 0 in order", "the vCPU",
    [["EINVAL", "a number out of order, or beyond what the VM was made for"], ["EEXIST", "the vCPU is there"], ["ENXIO", "no interrupt chip has been made"]],
    "A vCPU as it comes out of RESET. Vcpu 0 runs from the reset vector, all others wait for INIT and a start-up IPI."],
  ["KVM_GET_DIRTY_LOG", "getDirtyLog", "basic", "all", "slot", "one bit a page, page 0 in bit 0 of byte 0",
    [["EINVAL", "no slot can have that number"], ["ENOENT", "the slot is not logged"], ["ENXIO", "the VM has rings"]],
    "Pages that were written since the last call: by the guest, by what KVM completes for it, and where the processor keeps dirty flags by its walks of guest tables. Without manual protection the bits are cleared and the pages protected again before the call returns; with it, KVM_CLEAR_DIRTY_LOG does both. What user space itself writes is not in the log."],
  ["KVM_SET_USER_MEMORY_REGION", "setUserMemoryRegion", "KVM_CAP_USER_MEMORY", "all", "struct kvm_userspace_memory_region: slot, flags, guest address, size, address in the process", "nothing",
    [["EINVAL", "a slot, flag or alignment that will not do, more than 4 GiB, another size or memory for a slot that exists, deletion of one that does not"], ["EEXIST", "the guest addresses are another slot's"]],
    "Shows memory of the process at guest addresses. Size 0 deletes the slot. Of a slot that exists the flags and the guest address may change, the size and the memory may not. Two slots may show the same memory. KVM_MEM_READONLY turns writes of the guest into KVM_EXIT_MMIO; KVM_MEM_LOG_DIRTY_PAGES begins the dirty log with clean pages (or with every page dirty, see MANUAL_DIRTY_LOG_PROTECT2) and splits huge pages, at once or with kvm.eager_page_split=0 at the first write; without the flag the log ends and huge pages come back."],
  ["KVM_SET_TSS_ADDR", "setTssAddr", "KVM_CAP_SET_TSS_ADDR", "x86", "guest address", "nothing", [["EINVAL", "not a page, or three pages do not fit below 4 GiB"]],
    "Three pages in which a kernel that runs real mode as virtual-8086 mode keeps a task-state segment. Here real mode is emulated where the processor has no unrestricted guest, and they are used for nothing."],
  ["KVM_SET_IDENTITY_MAP_ADDR", "setIdentityMapAddr", "KVM_CAP_SET_IDENTITY_MAP_ADDR", "x86", "guest address", "nothing",
    [["EINVAL", "not a page, or there is a vCPU already"]], "One page outside the memory of the guest. With EPT and kvm_intel.unrestricted_guest=0 the processor wants paging on, and a guest in protected mode without paging runs on the table in this page, 4 GiB mapped to themselves. 0 is FFFBC000h."],
  ["KVM_CREATE_IRQCHIP", "createIrqchip", "KVM_CAP_IRQCHIP", "x86", "none", "nothing", [["EEXIST", "there is one"], ["EINVAL", "there is a vCPU already"]],
    "Two 8259s, an IOAPIC, and a local APIC for each vCPU to come. GSIs 0 to 15 reach the PIC and the IOAPIC, 16 to 23 the IOAPIC alone."],
  ["KVM_IRQ_LINE", "irqLine", "KVM_CAP_IRQCHIP", "x86", "GSI 0 to 23, level", "nothing", [["EINVAL", "another GSI"]],
    "The level of an input. An edge is a level of 1 and then of 0."],
  ["KVM_SET_GSI_ROUTING", "setGsiRouting", "KVM_CAP_IRQ_ROUTING", "x86", "GSI, address and data of a message for each", "nothing", [["EINVAL", "no split irqchip, or a GSI above 255"]],
    "What each GSI sends while the IOAPIC is in user space (KVM_CAP_SPLIT_IRQCHIP). It replaces the table. A vector of which an entry says that it is level-triggered gives KVM_EXIT_IOAPIC_EOI when a processor has ended it."],
  ["KVM_IRQ_LINE_STATUS", "irqLineStatus", "KVM_CAP_IRQ_INJECT_STATUS", "x86", "GSI, level", "1 when a processor has accepted it, otherwise 0", [["ENXIO", "no split irqchip"]],
    "With the IOAPIC in user space: a level of 1 sends the message of the GSI, each time."],
  ["KVM_CREATE_PIT2", "createPit2", "KVM_CAP_PIT2", "x86", "none", "nothing", [["ENOENT", "no interrupt chip"], ["EEXIST", "there is one"], ["EINVAL", "the machine has begun"]],
    "An 8254 with port 61h, whose channel 0 is GSI 0."],
  ["KVM_REINJECT_CONTROL", "reinjectControl", "KVM_CAP_REINJECT_CONTROL", "x86", "1 or 0", "nothing", [["ENXIO", "no PIT"]],
    "Whether a tick of the PIT that comes before the guest has ended the interrupt of the last one is delivered later, one for each end of an interrupt. A guest that unmasks IRQ0 begins without any. Here they are not unless this is called with 1: a machine is to be the same with and without a hypervisor below it."],
  ["KVM_SET_IRQCHIP", "restoreChips", "KVM_CAP_IRQCHIP", "x86", "what chips.save() gave", "nothing", [],
    "PIC, IOAPIC, local APICs and PIT in one piece: KVM_SET_LAPIC and KVM_SET_PIT2 are part of it. The state is checked whole before any of it is used."],
  ["KVM_GET_CLOCK", "getClock", "KVM_CAP_ADJUST_CLOCK", "x86", "none", "t in nanoseconds", [],
    "The VM's clock. Every clock of the guest comes from it."],
  ["KVM_SET_CLOCK", "setClock", "KVM_CAP_ADJUST_CLOCK", "x86", "t in nanoseconds", "nothing", [["EINVAL", "not between 0 and 2^53 - 1"]],
    "The VM's clock, which is also its TSC at one tick a nanosecond."],
  ["KVM_ENABLE_CAP", "enableCap", "KVM_CAP_ENABLE_CAP_VM", "all", "name of the capability, one number", "nothing",
    [["EINVAL", "a capability or number that will not do, or too late"], ["EEXIST", "there are interrupt chips"], ["E2BIG", "a ring of more than 65,536 entries"]],
    "SPLIT_IRQCHIP takes the pins of the IOAPIC in user space, before the first vCPU: local APICs are made for all vCPUs to come, and nothing else. MANUAL_DIRTY_LOG_PROTECT2 takes flags: 1 leaves clearing to KVM_CLEAR_DIRTY_LOG, 2 besides makes every page dirty when the log of a slot begins, so that nothing has to be protected at that moment. DIRTY_LOG_RING takes the bytes of each vCPU's ring, a power of two, before the first vCPU; slots then have no bitmaps."],
  ["KVM_CLEAR_DIRTY_LOG", "clearDirtyLog", "KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2", "all", "slot, first page (a multiple of 64), pages (a multiple of 64, or all to the end), bits", "nothing",
    [["EINVAL", "a slot, range or bit list that will not do"], ["ENOENT", "the slot is not logged"], ["ENXIO", "the VM has rings"]],
    "Pages whose bit is set in the list, and in the log, are clean from now on: their next write is noticed again. User space clears a page before it copies it, so that what is written while it copies is not lost."],
  ["KVM_RESET_DIRTY_RINGS", "resetDirtyRings", "KVM_CAP_DIRTY_LOG_RING", "all", "none", "how many entries are free again", [["EINVAL", "the VM has no rings"]],
    "Takes back the entries that user space has marked as harvested, oldest first, and protects their pages. An entry of a slot that has gone is dropped."],
];

const vcpu: readonly Row[] = [
  ["KVM_RUN", "enter", "basic", "all", "struct kvm_run: immediate_exit, and until, the clock at which a signal of user space ends the call", "the exit reason",
    [], "Runs the guest until user space is needed. What an exit asked for is completed by the next call, so that registers are the guest's own only after it; a call with immediate_exit completes and returns. Problems come as KVM_EXIT_FAIL_ENTRY and KVM_EXIT_INTERNAL_ERROR with a text. A vCPU that has no memory asks for every access by KVM_EXIT_MMIO; what it cannot fetch is #UD to it. KVM_EXIT_DIRTY_RING_FULL comes until the ring has been reset."],
  ["KVM_GET_REGS", "getRegs setRegs", "basic", "x86", "struct kvm_regs", "the general registers, RIP and RFLAGS", [], "KVM_SET_REGS is the way back. Setting takes a guest that stands between two slices out of guest mode."],
  ["KVM_GET_SREGS", "getSregs setSregs", "basic", "x86", "struct kvm_sregs", "segments, tables, control registers, EFER, APIC base", [["EINVAL", "registers no processor can have got into: reserved bits, paging without protection, long mode without PAE, an APIC base that WRMSR would refuse"]], "KVM_SET_SREGS is the way back; PDPTE registers travel along while PAE paging is on, as with KVM_GET_SREGS2."],
  ["KVM_INTERRUPT", "interrupt", "basic", "x86", "vector", "nothing",
    [["ENXIO", "all interrupt chips are in the kernel"], ["EINVAL", "not a vector"], ["EEXIST", "another vector waits to be taken"]],
    "The interrupt that the chips of user space give, where they are not in the kernel: called when KVM_RUN has come back with KVM_EXIT_IRQ_WINDOW_OPEN, or when the guest can take it at once."],
  ["KVM_GET_MSRS", "getMsr", "basic", "x86", "index", "the value, or undefined for an MSR that is not there", [], "One MSR at a time."],
  ["KVM_SET_MSRS", "setMsr", "basic", "x86", "index, value", "false where WRMSR of the host would fault", [], "One MSR at a time, as the host writes it: read-only ones that the host may set can be set."],
  ["KVM_SET_CPUID2", "setCpuid2", "KVM_CAP_EXT_CPUID", "x86", "leaves", "nothing", [["E2BIG", "more leaves than a processor has"]], "What CPUID answers the guest. Before the first KVM_RUN."],
  ["KVM_GET_LAPIC", "getLapic setLapic", "KVM_CAP_IRQCHIP", "x86", "registers of the local APIC", "the same", [], "KVM_SET_LAPIC is the way back."],
  ["KVM_NMI", "nmi", "KVM_CAP_USER_NMI", "x86", "none", "nothing", [], "An NMI becomes pending. It is delivered once, and blocks others until the guest's IRET."],
  ["KVM_GET_MP_STATE", "getMpState setMpState", "KVM_CAP_MP_STATE", "x86", "runnable, uninitialized, init, sipi, halted", "the same", [["EINVAL", "another state"]], "Whether the vCPU executes, sleeps in HLT or waits for another CPU's signals."],
  ["KVM_GET_VCPU_EVENTS", "getEvents setEvents", "KVM_CAP_VCPU_EVENTS", "x86", "exceptions, NMI and interrupt shadow that wait", "the same", [], "In the shape that the bare machine saves, too, so that a machine can move from one to the other."],
  ["KVM_GET_DEBUGREGS", "getDebugRegs setDebugRegs", "KVM_CAP_DEBUGREGS", "x86", "DR0 to DR3, DR6, DR7", "the same", [["EINVAL", "a bit in the upper half of DR6 or DR7"]], "KVM_SET_DEBUGREGS is the way back."],
  ["KVM_GET_XSAVE", "getXsave", "KVM_CAP_XSAVE", "x86", "none", "XSAVE image", [], "x87, SSE and what XCR0 enables."],
  ["KVM_SET_XSAVE", "setXsave", "KVM_CAP_XSAVE", "x86", "XSAVE image", "nothing", [["EINVAL", "fewer than the 512 bytes of an FXSAVE image"]], "The way back."],
  ["KVM_GET_XCRS", "getXcr0 setXcr0", "KVM_CAP_XCRS", "x86", "XCR0", "the same", [["EINVAL", "bit 0 clear, or bit 2 without bit 1"]], "KVM_SET_XCRS is the way back."],
];

const rows = (type: ApiCall["type"], list: readonly Row[]): ApiCall[] =>
  list.map(([ioctl, methods, capability, architectures, parameters, returns, errors, text]) => ({
    ioctl, methods: methods.split(" "), capability, architectures, type, parameters, returns, errors, text,
  }));
export const apiCalls: readonly ApiCall[] = [...rows("system", system), ...rows("vm", vm), ...rows("vcpu", vcpu)];

/** Public methods that are no calls of the API: what the kernel does inside, or user space through a mapping or a signal. */
export const notCalls: Readonly<Record<ApiCall["type"], readonly string[]>> = {
  system: [],
  vm: ["setMaxVcpus", "setPaging", "chips", "sending", "called", "syncDirtyLog"],
  vcpu: [
    "thread", "acceptsPic", "load", "syncDirtyLog", "shadowed", "paged", "setShadow", "readyForInterrupt", "inGuest", "eventPending", "setCr8", "toUser", "internal", "shutdown", "tick", "faultInstead", "exception", "setFaultAddress", "halt", "reset",
    "abandon", "hypercall", "kick", "kicked", "lapic", "tsc", "pendingSignals", "signalNmi", "signalInit", "signalStartUp", "apicRestored", "wantsToRun",
  ],
};
