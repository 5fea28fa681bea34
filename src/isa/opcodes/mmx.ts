/** MMX registers: "MMX Instructions" in the SDM, with the SSE instructions that touch them. */
export const mmx = `
NP 0F 60 /r          PUNPCKLBW          Pq,Qd         xr    mmx
NP 0F 61 /r          PUNPCKLWD          Pq,Qd         xr    mmx
NP 0F 62 /r          PUNPCKLDQ          Pq,Qd         xr    mmx
NP 0F 63 /r          PACKSSWB           Pq,Qq         xr    mmx
NP 0F 64 /r          PCMPGTB            Pq,Qq         xr    mmx
NP 0F 65 /r          PCMPGTW            Pq,Qq         xr    mmx
NP 0F 66 /r          PCMPGTD            Pq,Qq         xr    mmx
NP 0F 67 /r          PACKUSWB           Pq,Qq         xr    mmx
NP 0F 68 /r          PUNPCKHBW          Pq,Qq         xr    mmx
NP 0F 69 /r          PUNPCKHWD          Pq,Qq         xr    mmx
NP 0F 6A /r          PUNPCKHDQ          Pq,Qq         xr    mmx
NP 0F 6B /r          PACKSSDW           Pq,Qq         xr    mmx
NP 0F 74 /r          PCMPEQB            Pq,Qq         xr    mmx
NP 0F 75 /r          PCMPEQW            Pq,Qq         xr    mmx
NP 0F 76 /r          PCMPEQD            Pq,Qq         xr    mmx
NP 0F D1 /r          PSRLW              Pq,Qq         xr    mmx
NP 0F D2 /r          PSRLD              Pq,Qq         xr    mmx
NP 0F D3 /r          PSRLQ              Pq,Qq         xr    mmx
NP 0F D5 /r          PMULLW             Pq,Qq         xr    mmx
NP 0F D8 /r          PSUBUSB            Pq,Qq         xr    mmx
NP 0F D9 /r          PSUBUSW            Pq,Qq         xr    mmx
NP 0F DB /r          PAND               Pq,Qq         xr    mmx
NP 0F DC /r          PADDUSB            Pq,Qq         xr    mmx
NP 0F DD /r          PADDUSW            Pq,Qq         xr    mmx
NP 0F DF /r          PANDN              Pq,Qq         xr    mmx
NP 0F E1 /r          PSRAW              Pq,Qq         xr    mmx
NP 0F E2 /r          PSRAD              Pq,Qq         xr    mmx
NP 0F E5 /r          PMULHW             Pq,Qq         xr    mmx
NP 0F E8 /r          PSUBSB             Pq,Qq         xr    mmx
NP 0F E9 /r          PSUBSW             Pq,Qq         xr    mmx
NP 0F EB /r          POR                Pq,Qq         xr    mmx
NP 0F EC /r          PADDSB             Pq,Qq         xr    mmx
NP 0F ED /r          PADDSW             Pq,Qq         xr    mmx
NP 0F EF /r          PXOR               Pq,Qq         xr    mmx
NP 0F F1 /r          PSLLW              Pq,Qq         xr    mmx
NP 0F F2 /r          PSLLD              Pq,Qq         xr    mmx
NP 0F F3 /r          PSLLQ              Pq,Qq         xr    mmx
NP 0F F5 /r          PMADDWD            Pq,Qq         xr    mmx
NP 0F F8 /r          PSUBB              Pq,Qq         xr    mmx
NP 0F F9 /r          PSUBW              Pq,Qq         xr    mmx
NP 0F FA /r          PSUBD              Pq,Qq         xr    mmx
NP 0F FC /r          PADDB              Pq,Qq         xr    mmx
NP 0F FD /r          PADDW              Pq,Qq         xr    mmx
NP 0F FE /r          PADDD              Pq,Qq         xr    mmx
NP 0F DA /r          PMINUB             Pq,Qq         xr    mmx sse
NP 0F DE /r          PMAXUB             Pq,Qq         xr    mmx sse
NP 0F E0 /r          PAVGB              Pq,Qq         xr    mmx sse
NP 0F E3 /r          PAVGW              Pq,Qq         xr    mmx sse
NP 0F E4 /r          PMULHUW            Pq,Qq         xr    mmx sse
NP 0F EA /r          PMINSW             Pq,Qq         xr    mmx sse
NP 0F EE /r          PMAXSW             Pq,Qq         xr    mmx sse
NP 0F F6 /r          PSADBW             Pq,Qq         xr    mmx sse
NP 0F D4 /r          PADDQ              Pq,Qq         xr    mmx sse2
NP 0F F4 /r          PMULUDQ            Pq,Qq         xr    mmx sse2
NP 0F FB /r          PSUBQ              Pq,Qq         xr    mmx sse2
NP 0F 71 /2 mod=3    PSRLW              Nq,Ib         xr    mmx
NP 0F 71 /4 mod=3    PSRAW              Nq,Ib         xr    mmx
NP 0F 71 /6 mod=3    PSLLW              Nq,Ib         xr    mmx
NP 0F 72 /2 mod=3    PSRLD              Nq,Ib         xr    mmx
NP 0F 72 /4 mod=3    PSRAD              Nq,Ib         xr    mmx
NP 0F 72 /6 mod=3    PSLLD              Nq,Ib         xr    mmx
NP 0F 73 /2 mod=3    PSRLQ              Nq,Ib         xr    mmx
NP 0F 73 /6 mod=3    PSLLQ              Nq,Ib         xr    mmx
NP 0F 6E /r          MOVD/MOVD/MOVQ     Pq,Ey         wr    mmx body:mmx_movd
NP 0F 7E /r          MOVD/MOVD/MOVQ     Ey,Pq         wr    mmx body:mmx_movd
NP 0F 6F /r          MOVQ               Pq,Qq         wr    mmx body:mmx_movq
NP 0F 7F /r          MOVQ               Qq,Pq         wr    mmx body:mmx_movq
NP 0F 77             EMMS               -             -     mmx
NP 0F 70 /r          PSHUFW             Pq,Qq,Ib      wrr   mmx sse
NP 0F C4 /r          PINSRW             Pq,RdMw,Ib    xrr   mmx sse
NP 0F C5 /r mod=3    PEXTRW             Gd,Nq,Ib      wrr   mmx sse
NP 0F D7 /r mod=3    PMOVMSKB           Gd,Nq         wr    mmx sse
NP 0F E7 /r mod=m    MOVNTQ             Mq,Pq         wr    mmx sse body:mmx_movq
NP 0F F7 /r mod=3    MASKMOVQ           Pq,Nq         rr    mmx sse
NP 0F 2A /r          CVTPI2PS           Vps,Qq        xr    sse mmx
NP 0F 2C /r          CVTTPS2PI          Pq,Wq         wr    sse mmx
NP 0F 2D /r          CVTPS2PI           Pq,Wq         wr    sse mmx
66 0F 2A /r          CVTPI2PD           Vpd,Qq        wr    sse2 mmx
66 0F 2C /r          CVTTPD2PI          Pq,Wpd        wr    sse2 mmx
66 0F 2D /r          CVTPD2PI           Pq,Wpd        wr    sse2 mmx
F3 0F D6 /r mod=3    MOVQ2DQ            Vx,Nq         wr    sse2 mmx
F2 0F D6 /r mod=3    MOVDQ2Q            Pq,Uq         wr    sse2 mmx
`;
