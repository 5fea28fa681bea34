// EPT: see "EPT Translation Mechanism" in the SDM.
export function eptTranslate(gpa: u64, access: u32, final: bool, la: u64): u64 { return gpa; }
