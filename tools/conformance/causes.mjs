// Why a row does not pass: rows (a final * is a prefix), columns or builds ("" all), the cause. The first line that fits counts.
export const causes = [
  ["intel_iommu", "", "machine q35 and VT-d are not there"],
  ["hyperv_*", "", "Hyper-V enlightenments are not offered"],
  ["access-reduced-maxphyaddr vmx_pf_exception_test_reduced_maxphyaddr", "", "kvm_intel has no allow_smaller_maxphyaddr here"],
  ["pmu*", "", "no performance counters are offered"],
  ["vmware_backdoors", "", "the VMware back door is not there"],
];
