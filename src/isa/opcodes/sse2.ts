/** SSE2: "SSE2 Instructions" in the SDM. `align`: a memory operand off a 16-byte boundary is #GP (so it is for every 16-byte operand of an arithmetic form). */
export const sse2 = `
66 0F 60 /r          PUNPCKLBW          Vx,Wx         xr    sse2
66 0F 61 /r          PUNPCKLWD          Vx,Wx         xr    sse2
66 0F 62 /r          PUNPCKLDQ          Vx,Wx         xr    sse2
66 0F 63 /r          PACKSSWB           Vx,Wx         xr    sse2
66 0F 64 /r          PCMPGTB            Vx,Wx         xr    sse2
66 0F 65 /r          PCMPGTW            Vx,Wx         xr    sse2
66 0F 66 /r          PCMPGTD            Vx,Wx         xr    sse2
66 0F 67 /r          PACKUSWB           Vx,Wx         xr    sse2
66 0F 68 /r          PUNPCKHBW          Vx,Wx         xr    sse2
66 0F 69 /r          PUNPCKHWD          Vx,Wx         xr    sse2
66 0F 6A /r          PUNPCKHDQ          Vx,Wx         xr    sse2
66 0F 6B /r          PACKSSDW           Vx,Wx         xr    sse2
66 0F 74 /r          PCMPEQB            Vx,Wx         xr    sse2
66 0F 75 /r          PCMPEQW            Vx,Wx         xr    sse2
66 0F 76 /r          PCMPEQD            Vx,Wx         xr    sse2
66 0F D1 /r          PSRLW              Vx,Wx         xr    sse2
66 0F D2 /r          PSRLD              Vx,Wx         xr    sse2
66 0F D3 /r          PSRLQ              Vx,Wx         xr    sse2
66 0F D5 /r          PMULLW             Vx,Wx         xr    sse2
66 0F D8 /r          PSUBUSB            Vx,Wx         xr    sse2
66 0F D9 /r          PSUBUSW            Vx,Wx         xr    sse2
66 0F DB /r          PAND               Vx,Wx         xr    sse2
66 0F DC /r          PADDUSB            Vx,Wx         xr    sse2
66 0F DD /r          PADDUSW            Vx,Wx         xr    sse2
66 0F DF /r          PANDN              Vx,Wx         xr    sse2
66 0F E1 /r          PSRAW              Vx,Wx         xr    sse2
66 0F E2 /r          PSRAD              Vx,Wx         xr    sse2
66 0F E5 /r          PMULHW             Vx,Wx         xr    sse2
66 0F E8 /r          PSUBSB             Vx,Wx         xr    sse2
66 0F E9 /r          PSUBSW             Vx,Wx         xr    sse2
66 0F EB /r          POR                Vx,Wx         xr    sse2
66 0F EC /r          PADDSB             Vx,Wx         xr    sse2
66 0F ED /r          PADDSW             Vx,Wx         xr    sse2
66 0F EF /r          PXOR               Vx,Wx         xr    sse2
66 0F F1 /r          PSLLW              Vx,Wx         xr    sse2
66 0F F2 /r          PSLLD              Vx,Wx         xr    sse2
66 0F F3 /r          PSLLQ              Vx,Wx         xr    sse2
66 0F F5 /r          PMADDWD            Vx,Wx         xr    sse2
66 0F F8 /r          PSUBB              Vx,Wx         xr    sse2
66 0F F9 /r          PSUBW              Vx,Wx         xr    sse2
66 0F FA /r          PSUBD              Vx,Wx         xr    sse2
66 0F FC /r          PADDB              Vx,Wx         xr    sse2
66 0F FD /r          PADDW              Vx,Wx         xr    sse2
66 0F FE /r          PADDD              Vx,Wx         xr    sse2
66 0F DA /r          PMINUB             Vx,Wx         xr    sse2
66 0F DE /r          PMAXUB             Vx,Wx         xr    sse2
66 0F E0 /r          PAVGB              Vx,Wx         xr    sse2
66 0F E3 /r          PAVGW              Vx,Wx         xr    sse2
66 0F E4 /r          PMULHUW            Vx,Wx         xr    sse2
66 0F EA /r          PMINSW             Vx,Wx         xr    sse2
66 0F EE /r          PMAXSW             Vx,Wx         xr    sse2
66 0F F6 /r          PSADBW             Vx,Wx         xr    sse2
66 0F D4 /r          PADDQ              Vx,Wx         xr    sse2
66 0F F4 /r          PMULUDQ            Vx,Wx         xr    sse2
66 0F FB /r          PSUBQ              Vx,Wx         xr    sse2
66 0F 71 /2 mod=3    PSRLW              Ux,Ib         xr    sse2
66 0F 71 /4 mod=3    PSRAW              Ux,Ib         xr    sse2
66 0F 71 /6 mod=3    PSLLW              Ux,Ib         xr    sse2
66 0F 72 /2 mod=3    PSRLD              Ux,Ib         xr    sse2
66 0F 72 /4 mod=3    PSRAD              Ux,Ib         xr    sse2
66 0F 72 /6 mod=3    PSLLD              Ux,Ib         xr    sse2
66 0F 73 /2 mod=3    PSRLQ              Ux,Ib         xr    sse2
66 0F 73 /6 mod=3    PSLLQ              Ux,Ib         xr    sse2
66 0F 51 /r          SQRTPD             Vpd,Wpd       wr    sse2
F2 0F 51 /r          SQRTSD             Vsd,Wsd       xr    sse2
66 0F 54 /r          ANDPD              Vpd,Wpd       xr    sse2
66 0F 55 /r          ANDNPD             Vpd,Wpd       xr    sse2
66 0F 56 /r          ORPD               Vpd,Wpd       xr    sse2
66 0F 57 /r          XORPD              Vpd,Wpd       xr    sse2
66 0F 58 /r          ADDPD              Vpd,Wpd       xr    sse2
F2 0F 58 /r          ADDSD              Vsd,Wsd       xr    sse2
66 0F 59 /r          MULPD              Vpd,Wpd       xr    sse2
F2 0F 59 /r          MULSD              Vsd,Wsd       xr    sse2
66 0F 5C /r          SUBPD              Vpd,Wpd       xr    sse2
F2 0F 5C /r          SUBSD              Vsd,Wsd       xr    sse2
66 0F 5D /r          MINPD              Vpd,Wpd       xr    sse2
F2 0F 5D /r          MINSD              Vsd,Wsd       xr    sse2
66 0F 5E /r          DIVPD              Vpd,Wpd       xr    sse2
F2 0F 5E /r          DIVSD              Vsd,Wsd       xr    sse2
66 0F 5F /r          MAXPD              Vpd,Wpd       xr    sse2
F2 0F 5F /r          MAXSD              Vsd,Wsd       xr    sse2
66 0F C2 /r          CMPPD              Vpd,Wpd,Ib    xrr   sse2
F2 0F C2 /r          CMPSD              Vsd,Wsd,Ib    xrr   sse2
66 0F 10 /r          MOVUPD             Vpd,Wpd       wr    sse2 body:movx
66 0F 11 /r          MOVUPD             Wpd,Vpd       wr    sse2 body:movx
F2 0F 10 /r mod=m    MOVSD              Vsd,Msd       wr    sse2 body:movsd_load
F2 0F 10 /r mod=3    MOVSD              Vsd,Usd       xr    sse2 body:movsd
F2 0F 11 /r          MOVSD              Wsd,Vsd       xr    sse2 body:movsd
66 0F 12 /r mod=m    MOVLPD             Vq,Mq         xr    sse2 body:movlp
66 0F 13 /r mod=m    MOVLPD             Mq,Vq         wr    sse2 body:movlp
66 0F 14 /r          UNPCKLPD           Vpd,Wpd       xr    sse2
66 0F 15 /r          UNPCKHPD           Vpd,Wpd       xr    sse2
66 0F 16 /r mod=m    MOVHPD             Vx,Mq         xr    sse2 body:movhp_load
66 0F 17 /r mod=m    MOVHPD             Mq,Vx         wr    sse2 body:movhp_store
66 0F 28 /r          MOVAPD             Vpd,Wpd       wr    sse2 align body:movx
66 0F 29 /r          MOVAPD             Wpd,Vpd       wr    sse2 align body:movx
66 0F 2B /r mod=m    MOVNTPD            Mx,Vpd        wr    sse2 align body:movx
F2 0F 2A /r          CVTSI2SD           Vsd,Ey        xr    sse2
F2 0F 2C /r          CVTTSD2SI          Gy,Wsd        wr    sse2
F2 0F 2D /r          CVTSD2SI           Gy,Wsd        wr    sse2
66 0F 2E /r          UCOMISD            Vsd,Wsd       rr    sse2 w:zpc 0:osa
66 0F 2F /r          COMISD             Vsd,Wsd       rr    sse2 w:zpc 0:osa
66 0F 50 /r mod=3    MOVMSKPD           Gd,Upd        wr    sse2
NP 0F 5A /r          CVTPS2PD           Vpd,Wq        wr    sse2
66 0F 5A /r          CVTPD2PS           Vps,Wpd       wr    sse2
F3 0F 5A /r          CVTSS2SD           Vsd,Wss       xr    sse2
F2 0F 5A /r          CVTSD2SS           Vss,Wsd       xr    sse2
NP 0F 5B /r          CVTDQ2PS           Vps,Wx        wr    sse2
66 0F 5B /r          CVTPS2DQ           Vx,Wps        wr    sse2
F3 0F 5B /r          CVTTPS2DQ          Vx,Wps        wr    sse2
F3 0F E6 /r          CVTDQ2PD           Vpd,Wq        wr    sse2
66 0F E6 /r          CVTTPD2DQ          Vx,Wpd        wr    sse2
F2 0F E6 /r          CVTPD2DQ           Vx,Wpd        wr    sse2
66 0F 6C /r          PUNPCKLQDQ         Vx,Wx         xr    sse2
66 0F 6D /r          PUNPCKHQDQ         Vx,Wx         xr    sse2
66 0F 6E /r          MOVD/MOVD/MOVQ     Vx,Ey         wr    sse2 body:xmm_movd_load
66 0F 7E /r          MOVD/MOVD/MOVQ     Ey,Vx         wr    sse2 body:xmm_movd_store
66 0F 6F /r          MOVDQA             Vx,Wx         wr    sse2 align body:movx
66 0F 7F /r          MOVDQA             Wx,Vx         wr    sse2 align body:movx
F3 0F 6F /r          MOVDQU             Vx,Wx         wr    sse2 body:movx
F3 0F 7F /r          MOVDQU             Wx,Vx         wr    sse2 body:movx
F3 0F 7E /r          MOVQ               Vq,Wq         wr    sse2 body:xmm_movq
66 0F D6 /r          MOVQ               Wq,Vq         wr    sse2 body:xmm_movq
66 0F 70 /r          PSHUFD             Vx,Wx,Ib      wrr   sse2
F3 0F 70 /r          PSHUFHW            Vx,Wx,Ib      wrr   sse2
F2 0F 70 /r          PSHUFLW            Vx,Wx,Ib      wrr   sse2
66 0F 73 /3 mod=3    PSRLDQ             Ux,Ib         xr    sse2
66 0F 73 /7 mod=3    PSLLDQ             Ux,Ib         xr    sse2
66 0F C4 /r          PINSRW             Vx,RdMw,Ib    xrr   sse2
66 0F C5 /r mod=3    PEXTRW             Gd,Ux,Ib      wrr   sse2
66 0F C6 /r          SHUFPD             Vpd,Wpd,Ib    xrr   sse2
66 0F D7 /r mod=3    PMOVMSKB           Gd,Ux         wr    sse2
66 0F E7 /r mod=m    MOVNTDQ            Mx,Vx         wr    sse2 align body:movx
66 0F F7 /r mod=3    MASKMOVDQU         Vx,Ux         rr    sse2
`;
