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
  ["x2apic", "bare", "the test calls the hypervisor (KVM_HC_SEND_IPI): #UD without one"],
  ["x2apic xapic", "", "passes with one processor; with two, 30,000 NMIs go to the other one, each taken in its next quantum of 100,000: 6 billion instructions, not done within the limit"],
  ["hypercall vmexit_vmcall kvmclock_test access_fep", "bare", "needs a hypervisor below it"],
  ["vmexit_*", "", "measures until 2^30 ticks of the TSC are gone; a tick is an instruction here, so that is up to 200 million exits: not done within the limit"],
  ["kvmclock_test", KVM, "passes with 10,000 loops; its 10 million take longer than the limit"],
  ["vmx", "bare", "without vmx_preemption_timer_tf_test 408,855 tests with 4 failures (Save preemption value, PML Full Event); vmx_preemption_timer_tf_test single-steps 10,000 times 1.6 million instructions, since the preemption timer counts 32 ticks of a TSC that counts instructions: not done within the limit"],
  ["realmode", "intel-shadow", "the guest resets before its first line: not looked into"],
  ["access access_fep", "intel-shadow amd-shadow", "runs longer than the limit"],
  ["sieve", KVM, "runs longer than the limit that it was given on a busy machine"],
  ["svm svm_no_npt", "bare", "runs longer than the limit: it waits by the TSC and touches all of memory"],
];
