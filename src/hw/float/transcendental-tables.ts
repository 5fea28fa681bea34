/**
 * Constants of the transcendental functions as 128-bit fixed-point fractions, high word first.
 *
 * Every series is the Taylor series itself, cut where its terms fall below 2^-75 on the reduced range, so the
 * coefficients are reciprocals of integers or of factorials, or powers of ln 2 over factorials; no fitting
 * took place. The values were computed with 400 bits and rounded to nearest.
 */

/** 1/3! - y/5! + ...: sin x = x (1 - y SIN(y)), y = x^2. Signs alternate. */
export const SIN: usize = memory.data<u64>([
  0x2aaaaaaaaaaaaaaa, 0xaaaaaaaaaaaaaaab,
  0x0222222222222222, 0x2222222222222222,
  0x000d00d00d00d00d, 0x00d00d00d00d00d0,
  0x00002e3bc74aad8e, 0x671f5583911ca003,
  0x0000006b99159fd5, 0x138e3f9d1f92e0df,
  0x00000000b092309d, 0x43684be51c198e92,
  0x0000000000d73f9f, 0x399dc0f88ec32b58,
  0x000000000000ca96, 0x3b81856a53593029,
  0x0000000000000097, 0xa4da340a0ab92651,
  0x0000000000000000, 0x5c6e3bdb73d5c630,
  0x0000000000000000, 0x002ec368262c7034,
  0x0000000000000000, 0x000013f3ccdd1660,
]);

/** 1/2! - y/4! + ...: cos x = 1 - y COS(y). Signs alternate. */
export const COS: usize = memory.data<u64>([
  0x8000000000000000, 0x0000000000000000,
  0x0aaaaaaaaaaaaaaa, 0xaaaaaaaaaaaaaaab,
  0x005b05b05b05b05b, 0x05b05b05b05b05b0,
  0x0001a01a01a01a01, 0xa01a01a01a01a01a,
  0x0000049f93edde27, 0xd71cbbc05b4fa99a,
  0x00000008f76c77fc, 0x6c4bdaa26d4c3d68,
  0x000000000c9cba54, 0x603e4e905d6f8a2f,
  0x00000000000d73f9, 0xf399dc0f88ec32b6,
  0x0000000000000b41, 0x3c31dcbecbbdd802,
  0x0000000000000007, 0x950ae900808941ea,
  0x0000000000000000, 0x04338e5b6dfe14a5,
  0x0000000000000000, 0x0001f2cf01972f57,
  0x0000000000000000, 0x000000c4742fe352,
]);

/** 1/3, 1/5, ...: atan x = x (1 - y ODD(-y)), atanh x = x (1 + y ODD(y)). */
export const ODD: usize = memory.data<u64>([
  0x5555555555555555, 0x5555555555555555,
  0x3333333333333333, 0x3333333333333333,
  0x2492492492492492, 0x4924924924924925,
  0x1c71c71c71c71c71, 0xc71c71c71c71c71c,
  0x1745d1745d1745d1, 0x745d1745d1745d17,
  0x13b13b13b13b13b1, 0x3b13b13b13b13b14,
  0x1111111111111111, 0x1111111111111111,
  0x0f0f0f0f0f0f0f0f, 0x0f0f0f0f0f0f0f0f,
  0x0d79435e50d79435, 0xe50d79435e50d794,
]);

/** (ln 2)^2/2!, (ln 2)^3/3!, ...: 2^x - 1 = x (ln 2 + x EXP(x)). */
export const EXP: usize = memory.data<u64>([
  0x3d7f7bff058b1d50, 0xde2d60dd92e6bf95,
  0x0e35846b82505fc5, 0x99d3b15d995e96f7,
  0x0276556df749cee5, 0x39977c16a7dd58a1,
  0x005761ff9e299cc4, 0x41c5fda69452fb0d,
  0x000a184897c363c3, 0xb7a58544c3591a10,
  0x0000ffe5fe2c4586, 0x34358a8e643ec735,
  0x0000162c0223a5c8, 0x23fd8ffe606da77c,
  0x000001b5253d395e, 0x7c3da4a70e5a4ff9,
  0x0000001e4cf5158b, 0x8ec9f6fda1d952e7,
  0x00000001e8cac735, 0x1bb24c0f57995e47,
  0x000000001c3bd650, 0xfc2985e2b5687e18,
  0x0000000001816193, 0x166d0f96281ac301,
]);

/** atan(i/16), i = 0..16. */
export const ATAN_AT: usize = memory.data<u64>([
  0x0000000000000000, 0x0000000000000000,
  0x0ffaaddb967ef4e3, 0x6cb2792dc0e2e0d5,
  0x1fd5ba9aac2f6dc6, 0x5912f313e7d111df,
  0x2f72f6979cb6044d, 0x1ec2d3e207271d22,
  0x3eb6ebf25901bac5, 0x5b71e7bd7de885f9,
  0x4d89dcdc1faf2f34, 0xe2d5da4c693d7994,
  0x5bd86507937bc239, 0xc55190916e7f2242,
  0x6993bb0f308ff2db, 0x213e4af4800f389b,
  0x76b19c1586ed3da2, 0xb7f222f65e1d4682,
  0x832bf4a6d9867e2a, 0x4b6a09cb61a515c1,
  0x8f005d5ef7f59f9b, 0x5c835e1665c43748,
  0x9a2f80e671bdda20, 0x4226f8e2204ff3bd,
  0xa4bc7d1934f70924, 0x19a87f2a457dac9f,
  0xaeac4c38b4d8c080, 0x14725e2f3e52070a,
  0xb8053e2bc2319e73, 0xcb2da55210a4443d,
  0xc0ce85b8ac526640, 0x89dd62c46e92fa25,
  0xc90fdaa22168c234, 0xc4c6628b80dc1cd1,
]);

/** log2(i/16), i = 11..23, signed with 112 fraction bits. */
export const LOG2_AT: usize = memory.data<u64>([
  0xffff759d4f80cba8, 0x3bf8faf866415555,
  0xffff95c01a39fbd6, 0x879fa00b120a068c,
  0xffffb35004723c46, 0x5e6976da1c872983,
  0xffffceaecfea8085, 0x9b332ac903a413e6,
  0xffffe829fb693044, 0xb398c4baee073d4b,
  0x0000000000000000, 0x0000000000000000,
  0x00001663f6fac913, 0x167ccc5382614457,
  0x00002b803473f7ad, 0x0f3f401624140d17,
  0x00003f782d7204d0, 0x144751b3314f09de,
  0x00005269e12f346e, 0x2bf924afdbfd36bf,
  0x0000646eea247c5c, 0x22d2cad415ae1a71,
  0x0000759d4f80cba8, 0x3bf8faf866415555,
  0x000086082806b1d5, 0x32c412ba94db12ef,
]);

/** 2^(i/16) / 4, i = -16..16. */
export const EXP2_AT: usize = memory.data<u64>([
  0x2000000000000000, 0x0000000000000000,
  0x216ab0d9f3121ec5, 0x317256e30855306d,
  0x22e57078faa2f5b9, 0xbef918a1d6294f24,
  0x2470f4dceac470cd, 0x83f5b6382b96b276,
  0x260dfc14636e2a5b, 0xd1ab48c60b90bdbe,
  0x27bd4c982468446b, 0x682447c27aee7f74,
  0x297fb5aa6c544e3a, 0x872f5fd885c41c07,
  0x2b560fba90a852b1, 0x92602a323d668bb1,
  0x2d413cccfe779921, 0x165f626cdd52afa8,
  0x2f4228e7d6030daf, 0xaa2047ed9b43ebdf,
  0x3159ca845541b6b7, 0x4f8ab432593767ce,
  0x3389230547e12038, 0xf88d60e3e57cb1bb,
  0x35d13f32b5a75abd, 0x0e69a2ee640b4ff8,
  0x383337bb0aa53844, 0x419625412374ccf3,
  0x3ab031b9f7490e4b, 0xb40b5d6cdc1b953f,
  0x3d495f454921b30b, 0x1ee7431ebb6603f1,
  0x4000000000000000, 0x0000000000000000,
  0x42d561b3e6243d8a, 0x62e4adc610aa60d9,
  0x45cae0f1f545eb73, 0x7df23143ac529e48,
  0x48e1e9b9d588e19b, 0x07eb6c70572d64ec,
  0x4c1bf828c6dc54b7, 0xa356918c17217b7b,
  0x4f7a993048d088d6, 0xd0488f84f5dcfee9,
  0x52ff6b54d8a89c75, 0x0e5ebfb10b88380e,
  0x56ac1f752150a563, 0x24c054647acd1762,
  0x5a827999fcef3242, 0x2cbec4d9baa55f50,
  0x5e8451cfac061b5f, 0x54408fdb3687d7bd,
  0x62b39508aa836d6e, 0x9f156864b26ecf9c,
  0x6712460a8fc24071, 0xf11ac1c7caf96377,
  0x6ba27e656b4eb57a, 0x1cd345dcc8169fef,
  0x70666f76154a7088, 0x832c4a8246e999e5,
  0x75606373ee921c97, 0x6816bad9b8372a7d,
  0x7a92be8a92436616, 0x3dce863d76cc07e2,
  0x8000000000000000, 0x0000000000000000,
]);

/** ln 2. */
export const LN2_HI: u64 = 0xb17217f7d1cf79ab;
export const LN2_LO: u64 = 0xc9e3b39803f2f6af;

/** (2 / ln 2) / 4. */
export const TWO_OVER_LN2_HI: u64 = 0xb8aa3b295c17f0bb;
export const TWO_OVER_LN2_LO: u64 = 0xbe87fed0691d3e89;

/** pi/2 with 126 fraction bits. */
export const HALF_PI_HI: u64 = 0x6487ed5110b4611a;
export const HALF_PI_LO: u64 = 0x62633145c06e0e69;

/** pi with 126 fraction bits. */
export const PI_HI: u64 = 0xc90fdaa22168c234;
export const PI_LO: u64 = 0xc4c6628b80dc1cd1;

/** 3 pi/4 with 126 fraction bits. */
export const THREE_QUARTER_PI_HI: u64 = 0x96cbe3f9990e91a7;
export const THREE_QUARTER_PI_LO: u64 = 0x9394c9e8a0a5159d;

/** pi/4 with 126 fraction bits. */
export const QUARTER_PI_HI: u64 = 0x3243f6a8885a308d;
export const QUARTER_PI_LO: u64 = 0x313198a2e0370734;
