// Hardware task switches.
export const SOURCE_CALL: u32 = 0;
export const SOURCE_IRET: u32 = 1;
export const SOURCE_JMP: u32 = 2;
export const SOURCE_GATE: u32 = 3;
export function taskSwitch(selector: u32, source: u32, rip: u64, code: i32, ext: i32): void {}
