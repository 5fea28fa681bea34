/** SSE3 and SSSE3: "SSE3 Instructions" and "SSSE3 Instructions" in the SDM. */
export const sse3 = `
66 0F 7C /r          HADDPD             Vpd,Wpd       xr    sse3
F2 0F 7C /r          HADDPS             Vps,Wps       xr    sse3
66 0F 7D /r          HSUBPD             Vpd,Wpd       xr    sse3
F2 0F 7D /r          HSUBPS             Vps,Wps       xr    sse3
66 0F D0 /r          ADDSUBPD           Vpd,Wpd       xr    sse3
F2 0F D0 /r          ADDSUBPS           Vps,Wps       xr    sse3
F2 0F 12 /r          MOVDDUP            Vx,Wq         wr    sse3
F3 0F 12 /r          MOVSLDUP           Vps,Wps       wr    sse3
F3 0F 16 /r          MOVSHDUP           Vps,Wps       wr    sse3
F2 0F F0 /r mod=m    LDDQU              Vx,Mx         wr    sse3 body:movx
NP 0F 38 00 /r       PSHUFB             Pq,Qq         xr    ssse3 mmx
66 0F 38 00 /r       PSHUFB             Vx,Wx         xr    ssse3
NP 0F 38 01 /r       PHADDW             Pq,Qq         xr    ssse3 mmx
66 0F 38 01 /r       PHADDW             Vx,Wx         xr    ssse3
NP 0F 38 02 /r       PHADDD             Pq,Qq         xr    ssse3 mmx
66 0F 38 02 /r       PHADDD             Vx,Wx         xr    ssse3
NP 0F 38 03 /r       PHADDSW            Pq,Qq         xr    ssse3 mmx
66 0F 38 03 /r       PHADDSW            Vx,Wx         xr    ssse3
NP 0F 38 04 /r       PMADDUBSW          Pq,Qq         xr    ssse3 mmx
66 0F 38 04 /r       PMADDUBSW          Vx,Wx         xr    ssse3
NP 0F 38 05 /r       PHSUBW             Pq,Qq         xr    ssse3 mmx
66 0F 38 05 /r       PHSUBW             Vx,Wx         xr    ssse3
NP 0F 38 06 /r       PHSUBD             Pq,Qq         xr    ssse3 mmx
66 0F 38 06 /r       PHSUBD             Vx,Wx         xr    ssse3
NP 0F 38 07 /r       PHSUBSW            Pq,Qq         xr    ssse3 mmx
66 0F 38 07 /r       PHSUBSW            Vx,Wx         xr    ssse3
NP 0F 38 08 /r       PSIGNB             Pq,Qq         xr    ssse3 mmx
66 0F 38 08 /r       PSIGNB             Vx,Wx         xr    ssse3
NP 0F 38 09 /r       PSIGNW             Pq,Qq         xr    ssse3 mmx
66 0F 38 09 /r       PSIGNW             Vx,Wx         xr    ssse3
NP 0F 38 0A /r       PSIGND             Pq,Qq         xr    ssse3 mmx
66 0F 38 0A /r       PSIGND             Vx,Wx         xr    ssse3
NP 0F 38 0B /r       PMULHRSW           Pq,Qq         xr    ssse3 mmx
66 0F 38 0B /r       PMULHRSW           Vx,Wx         xr    ssse3
NP 0F 38 1C /r       PABSB              Pq,Qq         wr    ssse3 mmx
66 0F 38 1C /r       PABSB              Vx,Wx         wr    ssse3
NP 0F 38 1D /r       PABSW              Pq,Qq         wr    ssse3 mmx
66 0F 38 1D /r       PABSW              Vx,Wx         wr    ssse3
NP 0F 38 1E /r       PABSD              Pq,Qq         wr    ssse3 mmx
66 0F 38 1E /r       PABSD              Vx,Wx         wr    ssse3
NP 0F 3A 0F /r       PALIGNR            Pq,Qq,Ib      xrr   ssse3 mmx
66 0F 3A 0F /r       PALIGNR            Vx,Wx,Ib      xrr   ssse3
`;
