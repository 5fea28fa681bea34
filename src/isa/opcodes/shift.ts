/** Shifts and rotates: "Shift and Rotate Instructions" in the SDM. A zero count leaves the flags alone. */
export const shift = `
C0 /0                ROL                Eb,Ib         xr    w:oc
C1 /0                ROL                Ev,Ib         xr    w:oc
D0 /0                ROL                Eb,1          xr    w:oc
D1 /0                ROL                Ev,1          xr    w:oc
D2 /0                ROL                Eb,CL         xr    w:oc
D3 /0                ROL                Ev,CL         xr    w:oc
C0 /1                ROR                Eb,Ib         xr    w:oc
C1 /1                ROR                Ev,Ib         xr    w:oc
D0 /1                ROR                Eb,1          xr    w:oc
D1 /1                ROR                Ev,1          xr    w:oc
D2 /1                ROR                Eb,CL         xr    w:oc
D3 /1                ROR                Ev,CL         xr    w:oc
C0 /2                RCL                Eb,Ib         xr    w:oc r:c
C1 /2                RCL                Ev,Ib         xr    w:oc r:c
D0 /2                RCL                Eb,1          xr    w:oc r:c
D1 /2                RCL                Ev,1          xr    w:oc r:c
D2 /2                RCL                Eb,CL         xr    w:oc r:c
D3 /2                RCL                Ev,CL         xr    w:oc r:c
C0 /3                RCR                Eb,Ib         xr    w:oc r:c
C1 /3                RCR                Ev,Ib         xr    w:oc r:c
D0 /3                RCR                Eb,1          xr    w:oc r:c
D1 /3                RCR                Ev,1          xr    w:oc r:c
D2 /3                RCR                Eb,CL         xr    w:oc r:c
D3 /3                RCR                Ev,CL         xr    w:oc r:c
C0 /4                SHL                Eb,Ib         xr    w:oszpc u:a
C1 /4                SHL                Ev,Ib         xr    w:oszpc u:a
D0 /4                SHL                Eb,1          xr    w:oszpc u:a
D1 /4                SHL                Ev,1          xr    w:oszpc u:a
D2 /4                SHL                Eb,CL         xr    w:oszpc u:a
D3 /4                SHL                Ev,CL         xr    w:oszpc u:a
C0 /5                SHR                Eb,Ib         xr    w:oszpc u:a
C1 /5                SHR                Ev,Ib         xr    w:oszpc u:a
D0 /5                SHR                Eb,1          xr    w:oszpc u:a
D1 /5                SHR                Ev,1          xr    w:oszpc u:a
D2 /5                SHR                Eb,CL         xr    w:oszpc u:a
D3 /5                SHR                Ev,CL         xr    w:oszpc u:a
C0 /6                SHL                Eb,Ib         xr    w:oszpc u:a alias
C1 /6                SHL                Ev,Ib         xr    w:oszpc u:a alias
D0 /6                SHL                Eb,1          xr    w:oszpc u:a alias
D1 /6                SHL                Ev,1          xr    w:oszpc u:a alias
D2 /6                SHL                Eb,CL         xr    w:oszpc u:a alias
D3 /6                SHL                Ev,CL         xr    w:oszpc u:a alias
C0 /7                SAR                Eb,Ib         xr    w:oszpc u:a
C1 /7                SAR                Ev,Ib         xr    w:oszpc u:a
D0 /7                SAR                Eb,1          xr    w:oszpc u:a
D1 /7                SAR                Ev,1          xr    w:oszpc u:a
D2 /7                SAR                Eb,CL         xr    w:oszpc u:a
D3 /7                SAR                Ev,CL         xr    w:oszpc u:a
0F A4 /r             SHLD               Ev,Gv,Ib      xrr   w:oszpc u:a
0F A5 /r             SHLD               Ev,Gv,CL      xrr   w:oszpc u:a
0F AC /r             SHRD               Ev,Gv,Ib      xrr   w:oszpc u:a
0F AD /r             SHRD               Ev,Gv,CL      xrr   w:oszpc u:a
`;
