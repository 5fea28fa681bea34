/** String and port instructions: "String Instructions" and "I/O Instructions" in the SDM. */
export const string = `
A4                   MOVSB              Yb,Xb         wr    rep r:d body:movs
A5                   MOVSW/MOVSD/MOVSQ  Yv,Xv         wr    rep r:d body:movs
A6                   CMPSB              Xb,Yb         rr    rep repz r:d w:oszapc body:cmps
A7                   CMPSW/CMPSD/CMPSQ  Xv,Yv         rr    rep repz r:d w:oszapc body:cmps
AA                   STOSB              Yb,AL         wr    rep r:d body:stos
AB                   STOSW/STOSD/STOSQ  Yv,rAX        wr    rep r:d body:stos
AC                   LODSB              AL,Xb         wr    rep r:d body:lods
AD                   LODSW/LODSD/LODSQ  rAX,Xv        wr    rep r:d body:lods
AE                   SCASB              AL,Yb         rr    rep repz r:d w:oszapc body:scas
AF                   SCASW/SCASD/SCASQ  rAX,Yv        rr    rep repz r:d w:oszapc body:scas
6C                   INSB               Yb,DX         wr    rep iopl end r:d exit:IO_INSTRUCTION body:ins
6D                   INSW/INSD/INSD     Yz,DX         wr    rep iopl end r:d exit:IO_INSTRUCTION body:ins
6E                   OUTSB              DX,Xb         rr    rep iopl end r:d exit:IO_INSTRUCTION body:outs
6F                   OUTSW/OUTSD/OUTSD  DX,Xz         rr    rep iopl end r:d exit:IO_INSTRUCTION body:outs
E4                   IN                 AL,Ib         wr    iopl end exit:IO_INSTRUCTION
E5                   IN                 eAX,Ib        wr    iopl end exit:IO_INSTRUCTION
EC                   IN                 AL,DX         wr    iopl end exit:IO_INSTRUCTION
ED                   IN                 eAX,DX        wr    iopl end exit:IO_INSTRUCTION
E6                   OUT                Ib,AL         rr    iopl end exit:IO_INSTRUCTION
E7                   OUT                Ib,eAX        rr    iopl end exit:IO_INSTRUCTION
EE                   OUT                DX,AL         rr    iopl end exit:IO_INSTRUCTION
EF                   OUT                DX,eAX        rr    iopl end exit:IO_INSTRUCTION
`;
