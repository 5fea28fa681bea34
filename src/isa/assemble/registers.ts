/** Register names of the assembler: every name with its class, number and size. */
import {
  REGISTERS_16,
  REGISTERS_32,
  REGISTERS_64,
  REGISTERS_8,
  REGISTERS_8_REX,
  SEGMENTS,
} from "../disassemble.ts";

export type RegisterClass = "general" | "segment" | "control" | "debug" | "xmm" | "mmx" | "st" | "ip";

export interface Register {
  readonly kind: "register";
  readonly name: string;
  readonly class: RegisterClass;
  readonly number: number;
  readonly size: number;
  /** AH CH DH BH: no REX prefix may be present. */
  readonly high: boolean;
  /** SPL BPL SIL DIL: a REX prefix must be present. */
  readonly needsRex: boolean;
}

const all = new Map<string, Register>();

function add(
  kind: RegisterClass,
  size: number,
  names: readonly string[],
  more: Partial<Register> = {},
  first = 0,
) {
  names.forEach((name, i) => {
    if (all.has(name)) return;
    all.set(name, {
      kind: "register",
      name,
      class: kind,
      number: first + i,
      size,
      high: false,
      needsRex: false,
      ...more,
    });
  });
}

add("general", 1, REGISTERS_8.slice(0, 4));
add("general", 1, REGISTERS_8.slice(4), { high: true }, 4);
add("general", 1, REGISTERS_8_REX.slice(4, 8), { needsRex: true }, 4);
add("general", 1, REGISTERS_8_REX);
add("general", 2, REGISTERS_16);
add("general", 4, REGISTERS_32);
add("general", 8, REGISTERS_64);
add("segment", 2, SEGMENTS);
const numbered = (lead: string, count: number) => Array.from({ length: count }, (_, i) => `${lead}${i}`);
add("control", 0, numbered("cr", 16));
add("debug", 0, numbered("dr", 16));
add("xmm", 16, numbered("xmm", 16));
add("mmx", 8, numbered("mm", 8));
add("st", 10, numbered("st", 8));
add("ip", 8, ["rip"]);

/** The register of that name, in any case. */
export function findRegister(name: string): Register | undefined {
  return all.get(name.toLowerCase());
}
