// Integer instruction forms. A row is `name | encoding | options`; build.ts says what each word does.
// Flags the manual leaves undefined (Intel SDM volume 2, "Flags Affected") are named by u=letters or u=rule.

const alu = ["add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"];
const logic = (name: string): string => (["or", "and", "xor", "test"].includes(name) ? " u=A" : "");
const shifts = ["rol", "ror", "rcl", "rcr", "shl", "shr", "sal", "sar"];
const conditions = ["o", "no", "b", "nb", "z", "nz", "be", "nbe", "s", "ns", "p", "np", "l", "nl", "le", "nle"];
const hex = (n: number): string => n.toString(16).padStart(2, "0");

function aluRows(): string[] {
  return alu.flatMap((name, i) => {
    const lock = name === "cmp" ? "" : " lock", u = logic(name), o = i * 8;
    return [
      `${name} Eb,Gb | ${hex(o)} /r | b${lock}${u}`, `${name} Ev,Gv | ${hex(o + 1)} /r | v${lock}${u}`,
      `${name} Gb,Eb | ${hex(o + 2)} /r | b${u}`, `${name} Gv,Ev | ${hex(o + 3)} /r | v${u}`,
      `${name} AL,Ib | ${hex(o + 4)} ib | b${u}`, `${name} eAX,Iz | ${hex(o + 5)} iz | v${u}`,
      `${name} Eb,Ib | 80 /${i} ib | b${lock}${u}`, `${name} Ev,Iz | 81 /${i} iz | v${lock}${u}`,
      `${name} Ev,Ib | 83 /${i} ib | v${lock}${u}`, `${name} Eb,Ib (82) | 82 /${i} ib | b no64${u}`,
    ];
  });
}

function shiftRows(): string[] {
  return shifts.flatMap((name, i) => [
    `${name} Eb,1 | d0 /${i} | b u=shift`, `${name} Ev,1 | d1 /${i} | v u=shift`,
    `${name} Eb,CL | d2 /${i} | b u=shift h=count`, `${name} Ev,CL | d3 /${i} | v u=shift h=count`,
    `${name} Eb,Ib | c0 /${i} ib | b u=shift`, `${name} Ev,Ib | c1 /${i} ib | v u=shift`,
  ]);
}

function conditionRows(): string[] {
  return conditions.flatMap((c, i) => [
    `j${c} Jb | ${hex(0x70 + i)} ib | n`, `j${c} Jz | 0f ${hex(0x80 + i)} iz | n`,
    `set${c} Eb | 0f ${hex(0x90 + i)} /0 | b`, `cmov${c} Gv,Ev | 0f ${hex(0x40 + i)} /r | v`,
  ]);
}

function bitRows(): string[] {
  return ["bt", "bts", "btr", "btc"].flatMap((name, i) => {
    const lock = i ? " lock" : "";
    return [`${name} Ev,Gv | 0f ${hex(0xa3 + 8 * i)} /r | v h=bit${lock} u=OSAP`,
      `${name} Ev,Ib | 0f ba /${4 + i} ib | v${lock} u=OSAP`];
  });
}

function stringRows(): string[] {
  const rows: string[] = [];
  const ops: [string, number, string][] = [["movs", 0xa4, ""], ["cmps", 0xa6, " bg=text"], ["stos", 0xaa, ""],
    ["lods", 0xac, ""], ["scas", 0xae, " bg=text"]];
  for (const [name, op, o] of ops) for (const [rep, prefix] of [["", ""], ["rep ", "f3 "], ["repne ", "f2 "]]) {
    const h = rep ? "rep" : "string";
    rows.push(`${rep}${name}b | ${prefix}${hex(op)} | b h=${h}${o}`, `${rep}${name}v | ${prefix}${hex(op + 1)} | v h=${h}${o}`);
  }
  return rows;
}

export const integerRows: readonly string[] = [
  ...aluRows(), ...shiftRows(), ...conditionRows(), ...bitRows(), ...stringRows(),
  "test Eb,Gb | 84 /r | b u=A", "test Ev,Gv | 85 /r | v u=A", "test AL,Ib | a8 ib | b u=A", "test eAX,Iz | a9 iz | v u=A",
  "test Eb,Ib | f6 /0 ib | b u=A", "test Ev,Iz | f7 /0 iz | v u=A",
  "test Eb,Ib (/1) | f6 /1 ib | b u=A", "test Ev,Iz (/1) | f7 /1 iz | v u=A",
  "not Eb | f6 /2 | b lock", "not Ev | f7 /2 | v lock", "neg Eb | f6 /3 | b lock", "neg Ev | f7 /3 | v lock",
  "mul Eb | f6 /4 | b u=SZAP", "mul Ev | f7 /4 | v u=SZAP", "imul Eb | f6 /5 | b u=SZAP", "imul Ev | f7 /5 | v u=SZAP",
  "imul Gv,Ev | 0f af /r | v u=SZAP", "imul Gv,Ev,Iz | 69 /r iz | v u=SZAP", "imul Gv,Ev,Ib | 6b /r ib | v u=SZAP",
  "div Eb | f6 /6 | b h=div u=CPAZSO", "div Ev | f7 /6 | v h=div u=CPAZSO",
  "idiv Eb | f6 /7 | b h=idiv u=CPAZSO", "idiv Ev | f7 /7 | v h=idiv u=CPAZSO",
  "inc Eb | fe /0 | b lock", "inc Ev | ff /0 | v lock", "dec Eb | fe /1 | b lock", "dec Ev | ff /1 | v lock",
  "inc Zv | 40 +r | v no64", "dec Zv | 48 +r | v no64",
  "bsf Gv,Ev | 0f bc /r | v h=scan u=COSAP", "bsr Gv,Ev | 0f bd /r | v h=scan u=COSAP",
  "shld Ev,Gv,Ib | 0f a4 /r ib | v u=double", "shld Ev,Gv,CL | 0f a5 /r | v u=double h=count",
  "shrd Ev,Gv,Ib | 0f ac /r ib | v u=double", "shrd Ev,Gv,CL | 0f ad /r | v u=double h=count",
  "xadd Eb,Gb | 0f c0 /r | b lock", "xadd Ev,Gv | 0f c1 /r | v lock",
  "cmpxchg Eb,Gb | 0f b0 /r | b lock h=cmpxchg", "cmpxchg Ev,Gv | 0f b1 /r | v lock h=cmpxchg",
  "cmpxchg8b M | 0f c7 /1 | d mem lock m=8 h=pair", "cmpxchg16b M | 0f c7 /1 | q mem lock m=16 al=16 h=pair",
  "bswap Zy | 0f c8 +r | y", "popcnt Gv,Ev | f3 0f b8 /r | v",
  "crc32 Gd,Eb | f2 0f 38 f0 /r | b", "crc32 Gd,Ev | f2 0f 38 f1 /r | v",
  "movbe Gv,Mv | 0f 38 f0 /r | v mem", "movbe Mv,Gv | 0f 38 f1 /r | v mem",
  "mov Eb,Gb | 88 /r | b", "mov Ev,Gv | 89 /r | v", "mov Gb,Eb | 8a /r | b", "mov Gv,Ev | 8b /r | v",
  "mov Eb,Ib | c6 /0 ib | b", "mov Ev,Iz | c7 /0 iz | v", "mov Zb,Ib | b0 +r ib | b", "mov Zv,Iv | b8 +r iv | v",
  "mov AL,Ob | a0 O | b h=moffs", "mov eAX,Ov | a1 O | v h=moffs", "mov Ob,AL | a2 O | b h=moffs", "mov Ov,eAX | a3 O | v h=moffs",
  "xchg Eb,Gb | 86 /r | b lock", "xchg Ev,Gv | 87 /r | v lock", "xchg Zv,eAX | 90 +r | v",
  "movzx Gv,Eb | 0f b6 /r | v m=1", "movzx Gv,Ew | 0f b7 /r | v m=2", "movsx Gv,Eb | 0f be /r | v m=1",
  "movsx Gv,Ew | 0f bf /r | v m=2", "movsxd Gy,Ed | 63 /r | y only64 m=4",
  "movnti My,Gy | 0f c3 /r | y mem", "lea Gv,M | 8d /r | v mem h=lea", "xlat | d7 | b h=xlat",
  "cbw family | 98 | v", "cwd family | 99 | v", "lahf | 9f | n", "sahf | 9e | n",
  "clc | f8 | n", "stc | f9 | n", "cmc | f5 | n", "cld | fc | n", "std | fd | n",
  "daa | 27 | n no64 u=O", "das | 2f | n no64 u=O", "aaa | 37 | n no64 u=OSZP", "aas | 3f | n no64 u=OSZP",
  "aam Ib | d4 ib | n no64 u=OAC h=aam", "aad Ib | d5 ib | n no64 u=OAC",
  "bound Gv,Ma | 62 /r | v mem no64 m=2x h=bound", "into | ce | n no64", "arpl Ew,Gw | 63 /r | w no64",
  "push Zv | 50 +r | s h=stack", "pop Zv | 58 +r | s h=stack", "push Ev | ff /6 | s h=stack", "pop Ev | 8f /0 | s h=stack",
  "push Iz | 68 iz | s h=stack", "push Ib | 6a ib | s h=stack", "pushf | 9c | s h=pushf", "popf | 9d | s h=stack",
  "pusha | 60 | v no64 h=stack", "popa | 61 | v no64 h=stack", "enter Iw,Ib | c8 iw ib | s h=enter", "leave | c9 | s h=leave",
  "call Jz | e8 iz | j h=stack", "jmp Jz | e9 iz | j", "jmp Jb | eb ib | n", "call Ev | ff /2 | j h=target", "jmp Ev | ff /4 | j h=target",
  "ret | c3 | j h=ret", "ret Iw | c2 iw | j h=ret",
  "loop Jb | e2 ib | n h=loop", "loope Jb | e1 ib | n h=loop", "loopne Jb | e0 ib | n h=loop", "jcxz Jb | e3 ib | n h=loop",
  "nop Ev | 0f 1f /0 | v", "nop | 90 | n", "pause | f3 90 | n", "prefetch Mb | 0f 18 /1 | b mem", "int3 | cc | n",
  "lfence | 0f ae e8 | n", "mfence | 0f ae f0 | n", "sfence | 0f ae f8 | n", "clflush Mb | 0f ae /7 | b mem",
];

const unlockable = ["88 /r", "8a /r", "8b /r", "3a /r", "38 /r", "02 /r", "84 /r", "d0 /4", "f6 /4", "0f a3 /r",
  "0f b6 /r", "8d /r", "ff /6", "90", "f8", "c3", "0f 1f /0", "a4", "9c"];

/** What must fault: #UD for illegal encodings, #GP for privileged instructions, fetches across the page's end. */
export const faultRows: readonly string[] = [
  ...unlockable.map((e) => `lock ${e} | f0 ${e} | d mem`),
  ...["01 /r", "87 /r", "0f b1 /r", "ff /0", "0f c1 /r"].map((e) => `lock register ${e} | f0 ${e} | d reg`),
  "ud2 | 0f 0b | n", "ud1 | 0f b9 /r | d", "ud0 | 0f ff /r | d", "lea register | 8d /r | d reg",
  "fe /2 | fe /2 | b", "fe /7 | fe /7 | b", "ff /7 | ff /7 | d", "c6 /1 | c6 /1 ib | b mem", "c7 /3 | c7 /3 iz | d mem",
  "cmpxchg8b register | 0f c7 /1 | d reg", "movnti register | 0f c3 /r | d reg", "mov CS,Ew | 8e /1 | w", "mov S6,Ew | 8e /6 | w",
  "mov Ew,S6 | 8c /6 | w", "0f ba /3 | 0f ba /3 ib | d", "0f 04 | 0f 04 | n", "0f 0a | 0f 0a | n", "0f 24 | 0f 24 c0 | n",
  "0f 3b | 0f 3b | n", "0f 36 | 0f 36 | n",
  ...["06", "07", "0e", "16", "17", "1e", "1f", "27", "2f", "37", "3f", "60", "61", "82 c0 01", "9a 00 00 00 00 00 00", "ce", "d4 0a",
    "d5 0a", "d6", "ea 00 00 00 00 00 00"].map((e) => `gone in 64-bit ${e} | ${e} | n only64`),
  "hlt | f4 | n", "cli | fa | n", "sti | fb | n", "in AL,Ib | e4 ib | n", "in eAX,Ib | e5 ib | n", "out Ib,AL | e6 ib | n", "in AL,DX | ec | n",
  "out DX,AL | ee | n", "insb | 6c | b h=string", "outsb | 6e | b h=string", "clts | 0f 06 | n", "invd | 0f 08 | n", "wbinvd | 0f 09 | n",
  "wrmsr | 0f 30 | n", "rdmsr | 0f 32 | n", "mov CR0,Rd | 0f 22 c0 | n", "mov Rd,CR3 | 0f 20 d8 | n", "mov Rd,DR7 | 0f 21 f8 | n",
  "lgdt Ms | 0f 01 /2 | n mem m=10", "lidt Ms | 0f 01 /3 | n mem m=10", "lmsw Ew | 0f 01 /6 | n mem m=2", "invlpg Mb | 0f 01 /7 | n mem m=1",
  "lldt Ew | 0f 00 /2 | n mem m=2", "ltr Ew | 0f 00 /3 | n mem m=2",
  "fetch across the end: mov Zv,Iv | b8 +r iv | v h=fetch", "fetch across the end: add Ev,Iz | 81 /0 iz | v h=fetch",
  "fetch across the end: jmp Jz | e9 iz | j h=fetch", "sixteen bytes | 66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90 | n",
  "fifteen bytes | 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90 | n",
];
