// x87 forms. c=mask names the FSW condition bits the manual leaves undefined (Intel SDM volume 1, "Status Register").

const hex = (n: number): string => n.toString(16).padStart(2, "0");
const ops = ["fadd", "fmul", "fcom", "fcomp", "fsub", "fsubr", "fdiv", "fdivr"];
/** C0, C2, C3 after arithmetic, loads and stores. */
const all = "c=4500";
const row = (name: string, encoding: string, o = ""): string => `${name} | ${encoding} | f ${o}`;

function arithmetic(): string[] {
  return ops.flatMap((n, i) => {
    const compare = i === 2 || i === 3,
      u = compare ? "" : all;
    const rows = [
      row(`${n} m32`, `d8 /${i}`, `mem m=4 bg=f32 ${u}`),
      row(`${n} m64`, `dc /${i}`, `mem m=8 bg=f64 ${u}`),
      row(`fi${n.slice(1)} m32`, `da /${i}`, `mem m=4 bg=int ${u}`),
      row(`fi${n.slice(1)} m16`, `de /${i}`, `mem m=2 bg=int ${u}`),
    ];
    for (let r = 0; r < 8; r += 1)
      if (r % 3 === i % 3) rows.push(row(`${n} st,st${r}`, `d8 ${hex(0xc0 + 8 * i + r)}`, u));
    if (!compare)
      for (let r = 0; r < 8; r += 1)
        if (r % 3 === i % 3) {
          rows.push(
            row(`${n} st${r},st`, `dc ${hex(0xc0 + 8 * i + r)}`, u),
            row(`${n}p st${r},st`, `de ${hex(0xc0 + 8 * i + r)}`, u),
          );
        }
    return rows;
  });
}

const constants = ["fld1", "fldl2t", "fldl2e", "fldpi", "fldlg2", "fldln2", "fldz"];
const exact: readonly [string, string, string][] = [
  ["fchs", "d9 e0", all],
  ["fabs", "d9 e1", all],
  ["ftst", "d9 e4", ""],
  ["fxam", "d9 e5", ""],
  ["fxtract", "d9 f4", all],
  ["fprem1", "d9 f5", ""],
  ["fdecstp", "d9 f6", all],
  ["fincstp", "d9 f7", all],
  ["fprem", "d9 f8", ""],
  ["fsqrt", "d9 fa", all],
  ["frndint", "d9 fc", all],
  ["fscale", "d9 fd", all],
  ["fnop", "d9 d0", "c=4700"],
  ["fcompp", "de d9", ""],
  ["fucompp", "da e9", ""],
  ["fwait", "9b", "c=4700"],
  ["fnclex", "db e2", "c=4700"],
  ["fninit", "db e3", ""],
  ["fnstsw ax", "df e0", "c=4700"],
];
const transcendental: readonly [string, string, string][] = [
  ["f2xm1", "d9 f0", ""],
  ["fyl2x", "d9 f1", ""],
  ["fptan", "d9 f2", ""],
  ["fpatan", "d9 f3", ""],
  ["fyl2xp1", "d9 f9", ""],
  ["fsincos", "d9 fb", ""],
  ["fsin", "d9 fe", ""],
  ["fcos", "d9 ff", ""],
];
const perRegister: readonly [string, string, number, string][] = [
  ["fld", "d9", 0xc0, all],
  ["fxch", "d9", 0xc8, all],
  ["ffree", "dd", 0xc0, "c=4700"],
  ["fst", "dd", 0xd0, all],
  ["fstp", "dd", 0xd8, all],
  ["fucom", "dd", 0xe0, ""],
  ["fucomp", "dd", 0xe8, ""],
  ["fcmovb", "da", 0xc0, all],
  ["fcmove", "da", 0xc8, all],
  ["fcmovbe", "da", 0xd0, all],
  ["fcmovu", "da", 0xd8, all],
  ["fcmovnb", "db", 0xc0, all],
  ["fcmovne", "db", 0xc8, all],
  ["fcmovnbe", "db", 0xd0, all],
  ["fcmovnu", "db", 0xd8, all],
  ["fucomi", "db", 0xe8, all],
  ["fcomi", "db", 0xf0, all],
  ["fucomip", "df", 0xe8, all],
  ["fcomip", "df", 0xf0, all],
];
const loads: readonly [string, string, string][] = [
  ["fld m32", "d9 /0", "m=4 bg=f32"],
  ["fld m64", "dd /0", "m=8 bg=f64"],
  ["fld m80", "db /5", "m=10 bg=f80"],
  ["fild m16", "df /0", "m=2 bg=int"],
  ["fild m32", "db /0", "m=4 bg=int"],
  ["fild m64", "df /5", "m=8 bg=int"],
  ["fbld m80", "df /4", "m=10 bg=bcd"],
  ["fst m32", "d9 /2", "m=4"],
  ["fst m64", "dd /2", "m=8"],
  ["fstp m32", "d9 /3", "m=4"],
  ["fstp m64", "dd /3", "m=8"],
  ["fstp m80", "db /7", "m=10"],
  ["fist m16", "df /2", "m=2"],
  ["fist m32", "db /2", "m=4"],
  ["fistp m16", "df /3", "m=2"],
  ["fistp m32", "db /3", "m=4"],
  ["fistp m64", "df /7", "m=8"],
  ["fisttp m16", "df /1", "m=2"],
  ["fisttp m32", "db /1", "m=4"],
  ["fisttp m64", "dd /1", "m=8"],
  ["fbstp m80", "df /6", "m=10"],
];

export const x87Rows: readonly string[] = [
  ...arithmetic(),
  ...constants.map((n, i) => row(n, `d9 ${hex(0xe8 + i)}`, all)),
  ...exact.map(([n, e, o]) => row(n, e, o)),
  // C2 says that an argument was out of range; PE and C1 depend on the last bit of the approximation.
  ...transcendental.map(([n, e]) =>
    row(n, e, `approx=transcendental c=${/sin|cos|tan$/.test(n) && n !== "fpatan" ? "4320" : "4720"}`),
  ),
  ...perRegister.flatMap(([n, op, base, o], i) =>
    [0, 1, 2 + (i % 6)].map((r) => row(`${n} st${r}`, `${op} ${hex(base + r)}`, o)),
  ),
  ...loads.map(([n, e, o]) => row(n, e, `mem ${o} ${all}`)),
  row("fldcw m16", "d9 /5", "mem m=2 c=4700 h=fldcw"),
  row("fnstcw m16", "d9 /7", "mem m=2 c=4700"),
  row("fnstsw m16", "dd /7", "mem m=2 c=4700"),
  row("fnstenv", "d9 /6", "mem m=28 h=environment"),
  row("fnsave", "dd /6", "mem m=108 h=environment"),
  row("fldenv", "d9 /4", "mem m=28 h=fldcw"),
  row("frstor", "dd /4", "mem m=108 bg=f80 h=fldcw"),
  "fxsave | 0f ae /0 | f x mem m=512 al=16 h=fxsave",
  "fxrstor | 0f ae /1 | f x mem bg=f80 m=512 al=16 h=fxrstor",
];
