import { exitReasonName, svmExitName } from "../isa/index.ts";

/** How a vendor numbers and names its exits: the basic exit reason of VT-x, the EXITCODE of SVM. */
export interface ExitNames {
  /** Where exits with this number are counted, below EXIT_KINDS. */
  readonly index: (code: number) => number;
  /** The manual's name of an index, or of a number. */
  readonly name: (code: number) => string;
  /** The manual's name of a fault of the second stage. */
  readonly secondStage: string;
}

/** SVM's last codes: 0 to FFh, and from 400h those of nested paging and the virtual interrupt controller. */
const NESTED = 0x400;
const NESTED_INDEX = 0x100;
export const EXIT_KINDS = 0x110;

export const exitNames: Readonly<Record<"intel" | "amd", ExitNames>> = {
  intel: { index: (reason) => reason & 0x7f, name: exitReasonName, secondStage: "EPT_VIOLATION" },
  amd: {
    index: (code) => (code >= NESTED ? NESTED_INDEX + (code & 15) : code & 0xff),
    name: (code) => svmExitName(BigInt(code >= NESTED_INDEX && code < NESTED ? NESTED + (code & 15) : code)),
    secondStage: "NPF",
  },
};
