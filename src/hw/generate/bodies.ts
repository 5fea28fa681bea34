// How each body is called. The semantics live in src/hw/cpu; here stands only what is passed to them.
//
//   flow  returns the next record          rec   falls through (fault is checked when `faults`)
//   arguments: pc, size (operand bytes), asize, e16/e32/e64/eT (value of the ModRM.rm operand), a, b (raw bytes), imm, disp,
//   m (linear address of the memory operand), gT, mem (1 when the operand lies in memory)
export interface Body {
  readonly module: string;
  readonly kind: "flow" | "rec" | "val";
  readonly args: string;
  readonly name?: string;
}

const flow = (module: string, args = "pc", name?: string): Body => ({ module, kind: "flow", args, ...(name ? { name } : {}) });
const rec = (module: string, args = "pc", name?: string): Body => ({ module, kind: "rec", args, ...(name ? { name } : {}) });

export const bodies: Readonly<Record<string, Body>> = {
  // placeholder until the system chapter lands
  ud: flow("flow", "pc", "undefined"),
};
