/** SSE single precision and state saving: "SSE Instructions" and "Managing State Using the XSAVE Feature Set" in the SDM. */
export const sse = `
NP 0F 51 /r          SQRTPS             Vps,Wps       wr    sse
F3 0F 51 /r          SQRTSS             Vss,Wss       xr    sse
NP 0F 52 /r          RSQRTPS            Vps,Wps       wr    sse
F3 0F 52 /r          RSQRTSS            Vss,Wss       xr    sse
NP 0F 53 /r          RCPPS              Vps,Wps       wr    sse
F3 0F 53 /r          RCPSS              Vss,Wss       xr    sse
NP 0F 54 /r          ANDPS              Vps,Wps       xr    sse
NP 0F 55 /r          ANDNPS             Vps,Wps       xr    sse
NP 0F 56 /r          ORPS               Vps,Wps       xr    sse
NP 0F 57 /r          XORPS              Vps,Wps       xr    sse
NP 0F 58 /r          ADDPS              Vps,Wps       xr    sse
F3 0F 58 /r          ADDSS              Vss,Wss       xr    sse
NP 0F 59 /r          MULPS              Vps,Wps       xr    sse
F3 0F 59 /r          MULSS              Vss,Wss       xr    sse
NP 0F 5C /r          SUBPS              Vps,Wps       xr    sse
F3 0F 5C /r          SUBSS              Vss,Wss       xr    sse
NP 0F 5D /r          MINPS              Vps,Wps       xr    sse
F3 0F 5D /r          MINSS              Vss,Wss       xr    sse
NP 0F 5E /r          DIVPS              Vps,Wps       xr    sse
F3 0F 5E /r          DIVSS              Vss,Wss       xr    sse
NP 0F 5F /r          MAXPS              Vps,Wps       xr    sse
F3 0F 5F /r          MAXSS              Vss,Wss       xr    sse
NP 0F C2 /r          CMPPS              Vps,Wps,Ib    xrr   sse
F3 0F C2 /r          CMPSS              Vss,Wss,Ib    xrr   sse
NP 0F 10 /r          MOVUPS             Vps,Wps       wr    sse body:movx
NP 0F 11 /r          MOVUPS             Wps,Vps       wr    sse body:movx
F3 0F 10 /r mod=m    MOVSS              Vss,Mss       wr    sse body:movss_load
F3 0F 10 /r mod=3    MOVSS              Vss,Uss       xr    sse body:movss
F3 0F 11 /r          MOVSS              Wss,Vss       xr    sse body:movss
NP 0F 12 /r mod=m    MOVLPS             Vq,Mq         xr    sse body:movlp
NP 0F 12 /r mod=3    MOVHLPS            Vq,Ux         xr    sse
NP 0F 13 /r mod=m    MOVLPS             Mq,Vq         wr    sse body:movlp
NP 0F 14 /r          UNPCKLPS           Vps,Wps       xr    sse
NP 0F 15 /r          UNPCKHPS           Vps,Wps       xr    sse
NP 0F 16 /r mod=m    MOVHPS             Vx,Mq         xr    sse body:movhp_load
NP 0F 16 /r mod=3    MOVLHPS            Vx,Uq         xr    sse
NP 0F 17 /r mod=m    MOVHPS             Mq,Vx         wr    sse body:movhp_store
NP 0F 28 /r          MOVAPS             Vps,Wps       wr    sse align body:movx
NP 0F 29 /r          MOVAPS             Wps,Vps       wr    sse align body:movx
NP 0F 2B /r mod=m    MOVNTPS            Mx,Vps        wr    sse align body:movx
F3 0F 2A /r          CVTSI2SS           Vss,Ey        xr    sse
F3 0F 2C /r          CVTTSS2SI          Gy,Wss        wr    sse
F3 0F 2D /r          CVTSS2SI           Gy,Wss        wr    sse
NP 0F 2E /r          UCOMISS            Vss,Wss       rr    sse w:zpc 0:osa
NP 0F 2F /r          COMISS             Vss,Wss       rr    sse w:zpc 0:osa
NP 0F 50 /r mod=3    MOVMSKPS           Gd,Ups        wr    sse
NP 0F C6 /r          SHUFPS             Vps,Wps,Ib    xrr   sse
NP 0F AE /2 mod=m    LDMXCSR            Md            r     sse
NP 0F AE /3 mod=m    STMXCSR            Md            w     sse
NP 0F AE /0 mod=m    FXSAVE/FXSAVE/FXSAVE64  M512          w     fxsr fpunw
NP 0F AE /1 mod=m    FXRSTOR/FXRSTOR/FXRSTOR64  M512          r     fxsr fpunw
NP 0F AE /4 mod=m    XSAVE/XSAVE/XSAVE64  Mxsave        w     xsave
NP 0F AE /5 mod=m    XRSTOR/XRSTOR/XRSTOR64  Mxsave        r     xsave
NP 0F AE /6 mod=m    XSAVEOPT/XSAVEOPT/XSAVEOPT64  Mxsave        w     xsaveopt
NP 0F C7 /4 mod=m    XSAVEC/XSAVEC/XSAVEC64  Mxsave        w     xsavec
NP 0F C7 /5 mod=m    XSAVES/XSAVES/XSAVES64  Mxsave        w     xsaves cpl0 exit:XSAVES
NP 0F C7 /3 mod=m    XRSTORS/XRSTORS/XRSTORS64  Mxsave        r     xsaves cpl0 exit:XRSTORS
`;
