// Leaving straight-line execution.
export function next(rec: usize): usize { return 0; }
export function jump(rip: u64): usize { return 0; }
export function resume(): usize { return 0; }
export function raise(rec: usize): usize { return 0; }
export function stop(reason: u32): usize { return 0; }
export function now(): u64 { return 0; }
