// Why a row does not pass: rows (a final * is a prefix), columns or builds ("" all), the cause. The first line that fits counts.
const KVM = "intel amd intel-shadow amd-shadow";
export const causes = [
  ["intel_iommu", "", "machine q35 and VT-d are not there"],
  ["hyperv_*", "", "Hyper-V enlightenments are not offered"],
  ["access-reduced-maxphyaddr vmx_pf_exception_test_reduced_maxphyaddr", "", "kvm_intel has no allow_smaller_maxphyaddr here"],
  ["pmu*", "", "no performance counters are offered"],
  ["vmware_backdoors", "", "the VMware back door is not there"],
  ["pku pks la57 cet tsx-ctrl rdpru lam", "", "the silicon does not have the feature"],
  ["asyncpf", "", "asynchronous page faults are not offered"],
  ["s3", "", "ACPI sleep states are not offered"],
  ["ept-mbec", "", "the EPT has no mode-based execute control"],
  ["vmx* ept* svm*", KVM, "a guest of KVM has no VT-x and no SVM yet"],
  ["hypercall vmexit_vmcall kvmclock_test access_fep", "bare", "needs a hypervisor below it"],
  ["vmexit_*", "", "measures until 2^30 ticks of the TSC are gone; a tick is an instruction here, so that is 80 (ipi) to 500 million exits: cpuid on VT-x takes 93 s of CPU time; not done within the limit"],
  ["sieve", KVM, "not done within the limit on a busy machine; not run on this build"],
  ["xapic", KVM, "not done within the limit, or of a build on which a turn behind an interrupt was longer; on VT-x it takes 205 s on a machine with 12 runnable on two cores"],
  ["vmx_eoi_bitmap_ioapic_scan vmx_hlt_with_rvi_test vmx_apicv_test vmx_posted_intr_test", "bare", "virtual interrupts, APIC-register virtualization and posted interrupts are not offered"],
  ["vmx_vmcs_shadow_test", "bare", "VMCS shadowing is not offered"],
  ["vmx_pf_exception_test_fep", "bare", "needs a hypervisor below it"],
  ["vmx", "bare", "every check passes; two of vmx_db_test, which it expects to fail because a KVM below did (the single step that KVM synthesizes for WBINVD behind MOV SS), pass too, and the test counts that as failures: so it would on any processor that does as the manual says"],
  ["access_fep", "amd-shadow", "ran longer than the limit, and has not been run again; on VT-x it takes 83 s of CPU time"],
  ["svm svm_no_npt", "bare", "last-branch records are not kept: svm_lbrv_test0 to 3 (QEMU keeps none either); everything else passes"],
];
