/** SSE4.1 and SSE4.2: "SSE4.1 Instructions" and "SSE4.2 Instruction Set" in the SDM. */
export const sse4 = `
66 0F 38 10 /r       PBLENDVB           Vx,Wx,XMM0    xrr   sse4_1
66 0F 38 14 /r       BLENDVPS           Vps,Wps,XMM0  xrr   sse4_1
66 0F 38 15 /r       BLENDVPD           Vpd,Wpd,XMM0  xrr   sse4_1
66 0F 38 17 /r       PTEST              Vx,Wx         rr    sse4_1 w:zc 0:osap
66 0F 38 2A /r mod=m  MOVNTDQA           Vx,Mx         wr    sse4_1 align body:movx
66 0F 38 28 /r       PMULDQ             Vx,Wx         xr    sse4_1
66 0F 38 29 /r       PCMPEQQ            Vx,Wx         xr    sse4_1
66 0F 38 2B /r       PACKUSDW           Vx,Wx         xr    sse4_1
66 0F 38 37 /r       PCMPGTQ            Vx,Wx         xr    sse4_2
66 0F 38 38 /r       PMINSB             Vx,Wx         xr    sse4_1
66 0F 38 39 /r       PMINSD             Vx,Wx         xr    sse4_1
66 0F 38 3A /r       PMINUW             Vx,Wx         xr    sse4_1
66 0F 38 3B /r       PMINUD             Vx,Wx         xr    sse4_1
66 0F 38 3C /r       PMAXSB             Vx,Wx         xr    sse4_1
66 0F 38 3D /r       PMAXSD             Vx,Wx         xr    sse4_1
66 0F 38 3E /r       PMAXUW             Vx,Wx         xr    sse4_1
66 0F 38 3F /r       PMAXUD             Vx,Wx         xr    sse4_1
66 0F 38 40 /r       PMULLD             Vx,Wx         xr    sse4_1
66 0F 38 41 /r       PHMINPOSUW         Vx,Wx         wr    sse4_1
66 0F 38 20 /r       PMOVSXBW           Vx,Wq         wr    sse4_1
66 0F 38 21 /r       PMOVSXBD           Vx,Wd         wr    sse4_1
66 0F 38 22 /r       PMOVSXBQ           Vx,Ww         wr    sse4_1
66 0F 38 23 /r       PMOVSXWD           Vx,Wq         wr    sse4_1
66 0F 38 24 /r       PMOVSXWQ           Vx,Wd         wr    sse4_1
66 0F 38 25 /r       PMOVSXDQ           Vx,Wq         wr    sse4_1
66 0F 38 30 /r       PMOVZXBW           Vx,Wq         wr    sse4_1
66 0F 38 31 /r       PMOVZXBD           Vx,Wd         wr    sse4_1
66 0F 38 32 /r       PMOVZXBQ           Vx,Ww         wr    sse4_1
66 0F 38 33 /r       PMOVZXWD           Vx,Wq         wr    sse4_1
66 0F 38 34 /r       PMOVZXWQ           Vx,Wd         wr    sse4_1
66 0F 38 35 /r       PMOVZXDQ           Vx,Wq         wr    sse4_1
66 0F 3A 08 /r       ROUNDPS            Vps,Wps,Ib    wrr   sse4_1
66 0F 3A 09 /r       ROUNDPD            Vpd,Wpd,Ib    wrr   sse4_1
66 0F 3A 0A /r       ROUNDSS            Vss,Wss,Ib    xrr   sse4_1
66 0F 3A 0B /r       ROUNDSD            Vsd,Wsd,Ib    xrr   sse4_1
66 0F 3A 0C /r       BLENDPS            Vps,Wps,Ib    xrr   sse4_1
66 0F 3A 0D /r       BLENDPD            Vpd,Wpd,Ib    xrr   sse4_1
66 0F 3A 0E /r       PBLENDW            Vx,Wx,Ib      xrr   sse4_1
66 0F 3A 14 /r       PEXTRB             RdMb,Vx,Ib    wrr   sse4_1
66 0F 3A 15 /r       PEXTRW             RdMw,Vx,Ib    wrr   sse4_1 body:pextrw_store
66 0F 3A 16 /r       PEXTRD/PEXTRD/PEXTRQ  Ey,Vx,Ib      wrr   sse4_1
66 0F 3A 17 /r       EXTRACTPS          Ed,Vx,Ib      wrr   sse4_1
66 0F 3A 20 /r       PINSRB             Vx,RdMb,Ib    xrr   sse4_1
66 0F 3A 21 /r       INSERTPS           Vps,Wss,Ib    xrr   sse4_1
66 0F 3A 22 /r       PINSRD/PINSRD/PINSRQ  Vx,Ey,Ib      xrr   sse4_1
66 0F 3A 40 /r       DPPS               Vps,Wps,Ib    xrr   sse4_1
66 0F 3A 41 /r       DPPD               Vpd,Wpd,Ib    xrr   sse4_1
66 0F 3A 42 /r       MPSADBW            Vx,Wx,Ib      xrr   sse4_1
66 0F 3A 60 /r       PCMPESTRM          Vx,Wx,Ib      rrr   sse4_2 w:oszc 0:ap
66 0F 3A 61 /r       PCMPESTRI          Vx,Wx,Ib      rrr   sse4_2 w:oszc 0:ap
66 0F 3A 62 /r       PCMPISTRM          Vx,Wx,Ib      rrr   sse4_2 w:oszc 0:ap
66 0F 3A 63 /r       PCMPISTRI          Vx,Wx,Ib      rrr   sse4_2 w:oszc 0:ap
`;
