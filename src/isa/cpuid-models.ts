export interface ModelTable {
  /** Text of leaves 80000002 to 80000004. */
  readonly modelId: string;
  /** Leaf (and .subleaf), EAX, EBX, ECX, EDX; hexadecimal. */
  readonly leaves: string;
}

/** qemu64 and pentium3 as `qemu-system-x86_64` answers them; all numbers hexadecimal: leaf eax ebx ecx edx. */
export const modelTables: Readonly<Record<string, ModelTable>> = {
  qemu64: {
    modelId: "QEMU Virtual CPU version 2.5+",
    leaves: `
      0        d        68747541 444d4163 69746e65
      1        60fb1    800      80002001 78bfbfd
      5        0        0        3        0
      80000000 8000000a 68747541 444d4163 69746e65
      80000001 60fb1    0        5        2193fbfd
      80000005 1ff01ff  1ff01ff  40020140 40020140
      80000006 0        42004200 2008140  808140
      80000008 3028     0        0        0
      8000000a 1        10       0        0`,
  },
  pentium3: {
    modelId: "",
    leaves: `
      0        3        756e6547 6c65746e 49656e69
      1        673      800      80000000 383fbfd
      2        1        0        4d       2c307d`,
  },
  // x86-64-v2 with VT-x. XCR0 offers x87 and SSE: the XSAVE area is 576 bytes.
  vitrine: {
    modelId: "Vitrine Virtual CPU",
    leaves: `
      0        d        756e6547 6c65746e 49656e69
      1        206c2    800      44d82221 78bfbff
      7        0        100081   0        0
      d        3        240      240      0
      80000000 80000008 0        0        0
      80000001 0        0        1        28100800
      80000008 3028     0        0        0`,
  },
  // The same as an AMD of family 17h. With +svm: nested paging, next-RIP save, decode assists, PAUSE filter, virtual GIF.
  "vitrine-amd": {
    modelId: "Vitrine Virtual CPU (AMD)",
    leaves: `
      0        d        68747541 444d4163 69746e65
      1        800f12   800      44d82201 78bfbff
      7        0        100081   0        0
      d        3        240      240      0
      80000000 8000000a 68747541 444d4163 69746e65
      80000001 800f12   0        5        28100800
      80000008 3028     0        0        0
      8000000a 1        40       0        100114ed`,
  },
  // Older and newer processors by QEMU's names, with what of theirs the silicon has.
  Opteron_G1: {
    modelId: "AMD Opteron 240 (Gen 1 Class Opteron)",
    leaves: `
      0        5        68747541 444d4163 69746e65
      1        f61      800      80000001 78bfbfd
      80000000 80000008 68747541 444d4163 69746e65
      80000001 f61      0        0        20100800
      80000008 3028     0        0        0`,
  },
  IvyBridge: {
    modelId: "Intel Xeon E3-12xx v2 (Ivy Bridge)",
    leaves: `
      0        d        756e6547 6c65746e 49656e69
      1        306a9    800      c5b82201 78bfbfd
      6        4        0        0        0
      7        0        281      0        0
      d        3        240      240      0
      d.1      1        0        0        0
      80000000 80000008 0        0        0
      80000001 0        0        1        28100800
      80000008 3028     0        0        0`,
  },
  "Skylake-Server": {
    modelId: "Intel Xeon Processor (Skylake)",
    leaves: `
      0        d        756e6547 6c65746e 49656e69
      1        50654    800      c5fa2201 78bfbfd
      6        4        0        0        0
      7        0        140681   0        0
      d        3        240      240      0
      d.1      7        0        0        0
      80000000 80000008 0        0        0
      80000001 0        0        101      2c100800
      80000008 3028     0        0        0`,
  },
};

/** Model `max`, and `host`: all that the silicon of either vendor has. */
export const silicon: Readonly<Record<"intel" | "amd", ModelTable>> = {
  intel: {
    modelId: "Vitrine Virtual CPU",
    leaves: `
      0        d        756e6547 6c65746e 49656e69
      1        206c2    800      c5fa2201 78bfbfd
      6        4        0        0        0
      7        0        940683   4        0
      d        3        240      240      0
      d.1      7        0        0        0
      80000000 80000008 0        0        0
      80000001 0        0        101      2c100800
      80000008 3028     0        0        0`,
  },
  amd: {
    modelId: "Vitrine Virtual CPU (AMD)",
    leaves: `
      0        d        68747541 444d4163 69746e65
      1        800f12   800      c5fa2201 78bfbfd
      6        4        0        0        0
      7        0        940683   4        0
      d        3        240      240      0
      d.1      7        0        0        0
      80000000 8000000a 68747541 444d4163 69746e65
      80000001 800f12   0        105      2c100800
      80000008 3028     0        0        0
      8000000a 1        40       0        100114ed`,
  },
};
