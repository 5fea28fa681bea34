// MMX and SSE to SSE4.2 forms. Rows as in forms-integer.ts; `x` marks an XMM operand of 16 bytes, `mm` an MMX one.

const hex = (n: number): string => n.toString(16).padStart(2, "0");

/** Packed integer opcodes that exist for MMX and, with 66, for XMM registers. */
const packed: readonly [string, number][] = [
  ["punpcklbw", 0x60],
  ["punpcklwd", 0x61],
  ["punpckldq", 0x62],
  ["packsswb", 0x63],
  ["pcmpgtb", 0x64],
  ["pcmpgtw", 0x65],
  ["pcmpgtd", 0x66],
  ["packuswb", 0x67],
  ["punpckhbw", 0x68],
  ["punpckhwd", 0x69],
  ["punpckhdq", 0x6a],
  ["packssdw", 0x6b],
  ["pcmpeqb", 0x74],
  ["pcmpeqw", 0x75],
  ["pcmpeqd", 0x76],
  ["psrlw", 0xd1],
  ["psrld", 0xd2],
  ["psrlq", 0xd3],
  ["paddq", 0xd4],
  ["pmullw", 0xd5],
  ["psubusb", 0xd8],
  ["psubusw", 0xd9],
  ["pminub", 0xda],
  ["pand", 0xdb],
  ["paddusb", 0xdc],
  ["paddusw", 0xdd],
  ["pmaxub", 0xde],
  ["pandn", 0xdf],
  ["pavgb", 0xe0],
  ["psraw", 0xe1],
  ["psrad", 0xe2],
  ["pavgw", 0xe3],
  ["pmulhuw", 0xe4],
  ["pmulhw", 0xe5],
  ["psubsb", 0xe8],
  ["psubsw", 0xe9],
  ["pminsw", 0xea],
  ["por", 0xeb],
  ["paddsb", 0xec],
  ["paddsw", 0xed],
  ["pmaxsw", 0xee],
  ["pxor", 0xef],
  ["psllw", 0xf1],
  ["pslld", 0xf2],
  ["psllq", 0xf3],
  ["pmuludq", 0xf4],
  ["pmaddwd", 0xf5],
  ["psadbw", 0xf6],
  ["psubb", 0xf8],
  ["psubw", 0xf9],
  ["psubd", 0xfa],
  ["psubq", 0xfb],
  ["paddb", 0xfc],
  ["paddw", 0xfd],
  ["paddd", 0xfe],
];
const ssse3: readonly [string, number][] = [
  ["pshufb", 0],
  ["phaddw", 1],
  ["phaddd", 2],
  ["phaddsw", 3],
  ["pmaddubsw", 4],
  ["phsubw", 5],
  ["phsubd", 6],
  ["phsubsw", 7],
  ["psignb", 8],
  ["psignw", 9],
  ["psignd", 10],
  ["pmulhrsw", 11],
  ["pabsb", 0x1c],
  ["pabsw", 0x1d],
  ["pabsd", 0x1e],
];
const sse4: readonly [string, number][] = [
  ["pblendvb", 0x10],
  ["blendvps", 0x14],
  ["blendvpd", 0x15],
  ["ptest", 0x17],
  ["pmuldq", 0x28],
  ["pcmpeqq", 0x29],
  ["packusdw", 0x2b],
  ["pcmpgtq", 0x37],
  ["pminsb", 0x38],
  ["pminsd", 0x39],
  ["pminuw", 0x3a],
  ["pminud", 0x3b],
  ["pmaxsb", 0x3c],
  ["pmaxsd", 0x3d],
  ["pmaxuw", 0x3e],
  ["pmaxud", 0x3f],
  ["pmulld", 0x40],
  ["phminposuw", 0x41],
];
const extend: readonly [string, number, number][] = [
  ["bw", 0, 8],
  ["bd", 1, 4],
  ["bq", 2, 2],
  ["wd", 3, 8],
  ["wq", 4, 4],
  ["dq", 5, 8],
];
const immediateShifts: readonly [string, string][] = [
  ["psrlw", "71 /2"],
  ["psraw", "71 /4"],
  ["psllw", "71 /6"],
  ["psrld", "72 /2"],
  ["psrad", "72 /4"],
  ["pslld", "72 /6"],
  ["psrlq", "73 /2"],
  ["psllq", "73 /6"],
];
const low = new Set(["punpcklbw", "punpcklwd", "punpckldq"]);

export const mmxRows: readonly string[] = [
  ...packed.map(([n, o]) => `${n} Pq,Qq | 0f ${hex(o)} /r | mm m=${low.has(n) ? 4 : 8}`),
  ...ssse3.map(([n, o]) => `${n} Pq,Qq | 0f 38 ${hex(o)} /r | mm m=8`),
  ...immediateShifts.map(([n, e]) => `${n} Nq,Ib | 0f ${e} ib | mm reg m=8`),
  "movd Pd,Ey | 0f 6e /r | mm d m=4",
  "movd Ey,Pd | 0f 7e /r | mm d m=4",
  "movq Pq,Eq | 0f 6e /r | mm q m=8",
  "movq Eq,Pq | 0f 7e /r | mm q m=8",
  "movq Pq,Qq | 0f 6f /r | mm m=8",
  "movq Qq,Pq | 0f 7f /r | mm m=8",
  "movntq Mq,Pq | 0f e7 /r | mm mem m=8",
  "emms | 0f 77 | mm n",
  "pshufw Pq,Qq,Ib | 0f 70 /r ib | mm m=8",
  "pinsrw Pq,Ed,Ib | 0f c4 /r ib | mm m=2",
  "pextrw Gd,Nq,Ib | 0f c5 /r ib | mm reg",
  "pmovmskb Gd,Nq | 0f d7 /r | mm reg",
  "palignr Pq,Qq,Ib | 0f 3a 0f /r ib | mm m=8",
  "maskmovq Pq,Nq | 0f f7 /r | mm reg h=mask m=8",
  "movq2dq Vq,Nq | f3 0f d6 /r | mm x reg",
  "movdq2q Pq,Uq | f2 0f d6 /r | mm x reg",
  "cvtpi2ps Vq,Qq | 0f 2a /r | mm x bg=f32 m=8",
  "cvtpi2pd Vx,Qq | 66 0f 2a /r | mm x bg=f64 m=8",
  "cvttps2pi Pq,Wq | 0f 2c /r | mm x bg=f32 m=8",
  "cvtps2pi Pq,Wq | 0f 2d /r | mm x bg=f32 m=8",
  "cvttpd2pi Pq,Wx | 66 0f 2c /r | mm x bg=f64 m=16 al=16",
  "cvtpd2pi Pq,Wx | 66 0f 2d /r | mm x bg=f64 m=16 al=16",
];

function floatRows(): string[] {
  const rows: string[] = [];
  const four: [string, string, string, number, string][] = [
    ["ps", "", "f32", 16, " al=16"],
    ["pd", "66 ", "f64", 16, " al=16"],
    ["ss", "f3 ", "f32", 4, ""],
    ["sd", "f2 ", "f64", 8, ""],
  ];
  const ops: [string, number][] = [
    ["sqrt", 0x51],
    ["add", 0x58],
    ["mul", 0x59],
    ["sub", 0x5c],
    ["min", 0x5d],
    ["div", 0x5e],
    ["max", 0x5f],
  ];
  for (const [suffix, prefix, bg, m, al] of four) {
    for (const [n, o] of ops) rows.push(`${n}${suffix} | ${prefix}0f ${hex(o)} /r | x bg=${bg} m=${m}${al}`);
    rows.push(`cmp${suffix} Ib | ${prefix}0f c2 /r ib | x bg=${bg} m=${m}${al} h=predicate`);
    if (prefix.length === 0 || prefix === "66 ") {
      for (const [n, o] of [
        ["unpckl", 0x14],
        ["unpckh", 0x15],
        ["and", 0x54],
        ["andn", 0x55],
        ["or", 0x56],
        ["xor", 0x57],
      ] as const) {
        rows.push(`${n}${suffix} | ${prefix}0f ${hex(o)} /r | x bg=${bg} m=16 al=16`);
      }
      rows.push(
        `shuf${suffix} Ib | ${prefix}0f c6 /r ib | x bg=${bg} m=16 al=16`,
        `movmsk${suffix} Gd,Ux | ${prefix}0f 50 /r | x bg=${bg} reg`,
      );
      rows.push(
        `ucomi${suffix} | ${prefix}0f 2e /r | x bg=${bg} m=${suffix === "ps" ? 4 : 8}`,
        `comi${suffix} | ${prefix}0f 2f /r | x bg=${bg} m=${suffix === "ps" ? 4 : 8}`,
      );
      rows.push(
        `movu${suffix} Vx,Wx | ${prefix}0f 10 /r | x bg=${bg} m=16`,
        `movu${suffix} Wx,Vx | ${prefix}0f 11 /r | x bg=${bg} m=16`,
      );
      rows.push(
        `mova${suffix} Vx,Wx | ${prefix}0f 28 /r | x bg=${bg} m=16 al=16`,
        `mova${suffix} Wx,Vx | ${prefix}0f 29 /r | x bg=${bg} m=16 al=16`,
      );
      rows.push(
        `movl${suffix} Vq,Mq | ${prefix}0f 12 /r | x bg=${bg} mem m=8`,
        `movl${suffix} Mq,Vq | ${prefix}0f 13 /r | x bg=${bg} mem m=8`,
      );
      rows.push(
        `movh${suffix} Vq,Mq | ${prefix}0f 16 /r | x bg=${bg} mem m=8`,
        `movh${suffix} Mq,Vq | ${prefix}0f 17 /r | x bg=${bg} mem m=8`,
      );
      rows.push(`movnt${suffix} Mx,Vx | ${prefix}0f 2b /r | x bg=${bg} mem m=16 al=16`);
    } else {
      rows.push(
        `mov${suffix} Vx,Wx | ${prefix}0f 10 /r | x bg=${bg} m=${m}`,
        `mov${suffix} Wx,Vx | ${prefix}0f 11 /r | x bg=${bg} m=${m}`,
      );
      rows.push(
        `cvtsi2${suffix} Vx,Ey | ${prefix}0f 2a /r | x y bg=int`,
        `cvtt${suffix}2si Gy,Wx | ${prefix}0f 2c /r | x y bg=${bg} m=${m}`,
      );
      rows.push(`cvt${suffix}2si Gy,Wx | ${prefix}0f 2d /r | x y bg=${bg} m=${m}`);
      rows.push(`round${suffix} Ib | 66 0f 3a ${suffix === "ss" ? "0a" : "0b"} /r ib | x bg=${bg} m=${m}`);
    }
  }
  return rows;
}

export const sseRows: readonly string[] = [
  ...packed.map(([n, o]) => `${n} Vx,Wx | 66 0f ${hex(o)} /r | x m=16 al=16`),
  ...ssse3.map(([n, o]) => `${n} Vx,Wx | 66 0f 38 ${hex(o)} /r | x m=16 al=16`),
  ...sse4.map(
    ([n, o]) =>
      `${n} Vx,Wx | 66 0f 38 ${hex(o)} /r | x m=16 al=16${n.startsWith("blendvp") ? ` bg=f${n === "blendvps" ? 32 : 64}` : ""}`,
  ),
  ...extend.flatMap(([n, o, m]) => [
    `pmovsx${n} Vx,Wx | 66 0f 38 ${hex(0x20 + o)} /r | x m=${m}`,
    `pmovzx${n} Vx,Wx | 66 0f 38 ${hex(0x30 + o)} /r | x m=${m}`,
  ]),
  ...immediateShifts.map(([n, e]) => `${n} Ux,Ib | 66 0f ${e} ib | x reg`),
  ...floatRows(),
  "psrldq Ux,Ib | 66 0f 73 /3 ib | x reg",
  "pslldq Ux,Ib | 66 0f 73 /7 ib | x reg",
  "punpcklqdq Vx,Wx | 66 0f 6c /r | x m=16 al=16",
  "punpckhqdq Vx,Wx | 66 0f 6d /r | x m=16 al=16",
  "movd Vx,Ey | 66 0f 6e /r | x d m=4",
  "movq Vx,Ey | 66 0f 6e /r | x q m=8",
  "movd Ey,Vx | 66 0f 7e /r | x d m=4",
  "movq Ey,Vx | 66 0f 7e /r | x q m=8",
  "movdqa Vx,Wx | 66 0f 6f /r | x m=16 al=16",
  "movdqa Wx,Vx | 66 0f 7f /r | x m=16 al=16",
  "movdqu Vx,Wx | f3 0f 6f /r | x m=16",
  "movdqu Wx,Vx | f3 0f 7f /r | x m=16",
  "movq Vq,Wq | f3 0f 7e /r | x m=8",
  "movq Wq,Vq | 66 0f d6 /r | x m=8",
  "movntdq Mx,Vx | 66 0f e7 /r | x mem m=16 al=16",
  "lddqu Vx,Mx | f2 0f f0 /r | x mem m=16",
  "movntdqa Vx,Mx | 66 0f 38 2a /r | x mem m=16 al=16",
  "pshufd Vx,Wx,Ib | 66 0f 70 /r ib | x m=16 al=16",
  "pshufhw Vx,Wx,Ib | f3 0f 70 /r ib | x m=16 al=16",
  "pshuflw Vx,Wx,Ib | f2 0f 70 /r ib | x m=16 al=16",
  "pmovmskb Gd,Ux | 66 0f d7 /r | x reg",
  "pinsrw Vx,Ed,Ib | 66 0f c4 /r ib | x m=2",
  "pextrw Gd,Ux,Ib | 66 0f c5 /r ib | x reg",
  "maskmovdqu Vx,Ux | 66 0f f7 /r | x reg h=mask m=16",
  "movhlps/movlhps high | 0f 12 /r | x reg",
  "movlhps | 0f 16 /r | x reg",
  "movsldup | f3 0f 12 /r | x bg=f32 m=16 al=16",
  "movshdup | f3 0f 16 /r | x bg=f32 m=16 al=16",
  "movddup | f2 0f 12 /r | x bg=f64 m=8",
  "haddps | f2 0f 7c /r | x bg=f32 m=16 al=16",
  "haddpd | 66 0f 7c /r | x bg=f64 m=16 al=16",
  "hsubps | f2 0f 7d /r | x bg=f32 m=16 al=16",
  "hsubpd | 66 0f 7d /r | x bg=f64 m=16 al=16",
  "addsubps | f2 0f d0 /r | x bg=f32 m=16 al=16",
  "addsubpd | 66 0f d0 /r | x bg=f64 m=16 al=16",
  "rcpps | 0f 53 /r | x bg=f32 m=16 al=16 approx=reciprocal",
  "rcpss | f3 0f 53 /r | x bg=f32 m=4 approx=reciprocal",
  "rsqrtps | 0f 52 /r | x bg=f32 m=16 al=16 approx=reciprocal",
  "rsqrtss | f3 0f 52 /r | x bg=f32 m=4 approx=reciprocal",
  "cvtps2pd | 0f 5a /r | x bg=f32 m=8",
  "cvtpd2ps | 66 0f 5a /r | x bg=f64 m=16 al=16",
  "cvtss2sd | f3 0f 5a /r | x bg=f32 m=4",
  "cvtsd2ss | f2 0f 5a /r | x bg=f64 m=8",
  "cvtdq2ps | 0f 5b /r | x m=16 al=16",
  "cvtps2dq | 66 0f 5b /r | x bg=f32 m=16 al=16",
  "cvttps2dq | f3 0f 5b /r | x bg=f32 m=16 al=16",
  "cvttpd2dq | 66 0f e6 /r | x bg=f64 m=16 al=16",
  "cvtpd2dq | f2 0f e6 /r | x bg=f64 m=16 al=16",
  "cvtdq2pd | f3 0f e6 /r | x m=8",
  "roundps Ib | 66 0f 3a 08 /r ib | x bg=f32 m=16 al=16",
  "roundpd Ib | 66 0f 3a 09 /r ib | x bg=f64 m=16 al=16",
  "blendps Ib | 66 0f 3a 0c /r ib | x bg=f32 m=16 al=16",
  "blendpd Ib | 66 0f 3a 0d /r ib | x bg=f64 m=16 al=16",
  "pblendw Ib | 66 0f 3a 0e /r ib | x m=16 al=16",
  "palignr Vx,Wx,Ib | 66 0f 3a 0f /r ib | x m=16 al=16",
  "pextrb Ed,Vx,Ib | 66 0f 3a 14 /r ib | x m=1",
  "pextrw Ed,Vx,Ib | 66 0f 3a 15 /r ib | x m=2",
  "pextrd/q Ey,Vx,Ib | 66 0f 3a 16 /r ib | x y",
  "extractps Ed,Vx,Ib | 66 0f 3a 17 /r ib | x m=4",
  "pinsrb Vx,Ed,Ib | 66 0f 3a 20 /r ib | x m=1",
  "insertps Ib | 66 0f 3a 21 /r ib | x bg=f32 m=4",
  "pinsrd/q Vx,Ey,Ib | 66 0f 3a 22 /r ib | x y",
  "dpps Ib | 66 0f 3a 40 /r ib | x bg=f32 m=16 al=16",
  "dppd Ib | 66 0f 3a 41 /r ib | x bg=f64 m=16 al=16",
  "mpsadbw Ib | 66 0f 3a 42 /r ib | x m=16 al=16",
  "pcmpestrm Ib | 66 0f 3a 60 /r ib | x bg=text m=16 h=lengths",
  "pcmpestri Ib | 66 0f 3a 61 /r ib | x bg=text m=16 h=lengths",
  "pcmpistrm Ib | 66 0f 3a 62 /r ib | x bg=text m=16",
  "pcmpistri Ib | 66 0f 3a 63 /r ib | x bg=text m=16",
  "ldmxcsr Md | 0f ae /2 | x mem m=4 h=ldmxcsr",
  "stmxcsr Md | 0f ae /3 | x mem m=4",
];
