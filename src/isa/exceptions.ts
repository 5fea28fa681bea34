/** Exceptions: "Exception and Interrupt Vectors" and "Double Fault Exception (#DF)" in the SDM. */
export interface Exception {
  readonly vector: number;
  readonly mnemonic: string;
  readonly name: string;
  readonly kind: "fault" | "trap" | "abort" | "interrupt";
  readonly errorCode: boolean;
  /** Class for the double fault table. */
  readonly class: "benign" | "contributory" | "page fault" | "double fault";
}

const table = `
0   #DE  fault      -     contributory  Divide Error
1   #DB  fault      -     benign        Debug
2   NMI  interrupt  -     benign        NMI Interrupt
3   #BP  trap       -     benign        Breakpoint
4   #OF  trap       -     benign        Overflow
5   #BR  fault      -     benign        BOUND Range Exceeded
6   #UD  fault      -     benign        Invalid Opcode
7   #NM  fault      -     benign        Device Not Available
8   #DF  abort      code  double fault  Double Fault
10  #TS  fault      code  contributory  Invalid TSS
11  #NP  fault      code  contributory  Segment Not Present
12  #SS  fault      code  contributory  Stack-Segment Fault
13  #GP  fault      code  contributory  General Protection
14  #PF  fault      code  page fault    Page Fault
16  #MF  fault      -     benign        x87 FPU Floating-Point Error
17  #AC  fault      code  benign        Alignment Check
18  #MC  abort      -     benign        Machine Check
19  #XM  fault      -     benign        SIMD Floating-Point Exception
`;

const KINDS = ["fault", "trap", "abort", "interrupt"] as const;
const CLASSES = ["benign", "contributory", "page fault", "double fault"] as const;

export const exceptions: readonly Exception[] = table
  .trim()
  .split("\n")
  .map((line) => {
    const [vector = "", mnemonic = "", kind = "", code = "", group = "", name = ""] = line
      .trim()
      .split(/ {2,}/);
    return {
      vector: Number(vector),
      mnemonic,
      name,
      kind: KINDS.find((k) => k === kind) ?? "fault",
      errorCode: code === "code",
      class: CLASSES.find((c) => c === group) ?? "benign",
    };
  });

const byVector = new Map(exceptions.map((e) => [e.vector, e]));

/** The exception of a vector; undefined for reserved vectors and interrupts. */
export const exceptionOf = (vector: number): Exception | undefined => byVector.get(vector);
