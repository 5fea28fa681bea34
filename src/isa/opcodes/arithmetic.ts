/** Integer arithmetic and logic: "Binary Arithmetic", "Decimal Arithmetic" and "Logical Instructions" in the SDM. */
export const arithmetic = `
00 /r                ADD                Eb,Gb         xr    lock w:oszapc
01 /r                ADD                Ev,Gv         xr    lock w:oszapc
02 /r                ADD                Gb,Eb         xr    w:oszapc
03 /r                ADD                Gv,Ev         xr    w:oszapc
04                   ADD                AL,Ib         xr    w:oszapc
05                   ADD                rAX,Iz        xr    w:oszapc
08 /r                OR                 Eb,Gb         xr    lock w:szp u:a 0:oc
09 /r                OR                 Ev,Gv         xr    lock w:szp u:a 0:oc
0A /r                OR                 Gb,Eb         xr    w:szp u:a 0:oc
0B /r                OR                 Gv,Ev         xr    w:szp u:a 0:oc
0C                   OR                 AL,Ib         xr    w:szp u:a 0:oc
0D                   OR                 rAX,Iz        xr    w:szp u:a 0:oc
10 /r                ADC                Eb,Gb         xr    lock w:oszapc r:c
11 /r                ADC                Ev,Gv         xr    lock w:oszapc r:c
12 /r                ADC                Gb,Eb         xr    w:oszapc r:c
13 /r                ADC                Gv,Ev         xr    w:oszapc r:c
14                   ADC                AL,Ib         xr    w:oszapc r:c
15                   ADC                rAX,Iz        xr    w:oszapc r:c
18 /r                SBB                Eb,Gb         xr    lock w:oszapc r:c
19 /r                SBB                Ev,Gv         xr    lock w:oszapc r:c
1A /r                SBB                Gb,Eb         xr    w:oszapc r:c
1B /r                SBB                Gv,Ev         xr    w:oszapc r:c
1C                   SBB                AL,Ib         xr    w:oszapc r:c
1D                   SBB                rAX,Iz        xr    w:oszapc r:c
20 /r                AND                Eb,Gb         xr    lock w:szp u:a 0:oc
21 /r                AND                Ev,Gv         xr    lock w:szp u:a 0:oc
22 /r                AND                Gb,Eb         xr    w:szp u:a 0:oc
23 /r                AND                Gv,Ev         xr    w:szp u:a 0:oc
24                   AND                AL,Ib         xr    w:szp u:a 0:oc
25                   AND                rAX,Iz        xr    w:szp u:a 0:oc
28 /r                SUB                Eb,Gb         xr    lock w:oszapc
29 /r                SUB                Ev,Gv         xr    lock w:oszapc
2A /r                SUB                Gb,Eb         xr    w:oszapc
2B /r                SUB                Gv,Ev         xr    w:oszapc
2C                   SUB                AL,Ib         xr    w:oszapc
2D                   SUB                rAX,Iz        xr    w:oszapc
30 /r                XOR                Eb,Gb         xr    lock w:szp u:a 0:oc
31 /r                XOR                Ev,Gv         xr    lock w:szp u:a 0:oc
32 /r                XOR                Gb,Eb         xr    w:szp u:a 0:oc
33 /r                XOR                Gv,Ev         xr    w:szp u:a 0:oc
34                   XOR                AL,Ib         xr    w:szp u:a 0:oc
35                   XOR                rAX,Iz        xr    w:szp u:a 0:oc
38 /r                CMP                Eb,Gb         rr    w:oszapc
39 /r                CMP                Ev,Gv         rr    w:oszapc
3A /r                CMP                Gb,Eb         rr    w:oszapc
3B /r                CMP                Gv,Ev         rr    w:oszapc
3C                   CMP                AL,Ib         rr    w:oszapc
3D                   CMP                rAX,Iz        rr    w:oszapc
80 /0                ADD                Eb,Ib         xr    lock w:oszapc
80 /1                OR                 Eb,Ib         xr    lock w:szp u:a 0:oc
80 /2                ADC                Eb,Ib         xr    lock w:oszapc r:c
80 /3                SBB                Eb,Ib         xr    lock w:oszapc r:c
80 /4                AND                Eb,Ib         xr    lock w:szp u:a 0:oc
80 /5                SUB                Eb,Ib         xr    lock w:oszapc
80 /6                XOR                Eb,Ib         xr    lock w:szp u:a 0:oc
80 /7                CMP                Eb,Ib         rr    w:oszapc
81 /0                ADD                Ev,Iz         xr    lock w:oszapc
81 /1                OR                 Ev,Iz         xr    lock w:szp u:a 0:oc
81 /2                ADC                Ev,Iz         xr    lock w:oszapc r:c
81 /3                SBB                Ev,Iz         xr    lock w:oszapc r:c
81 /4                AND                Ev,Iz         xr    lock w:szp u:a 0:oc
81 /5                SUB                Ev,Iz         xr    lock w:oszapc
81 /6                XOR                Ev,Iz         xr    lock w:szp u:a 0:oc
81 /7                CMP                Ev,Iz         rr    w:oszapc
82 /0                ADD                Eb,Ib         xr    lock w:oszapc i64 alias
82 /1                OR                 Eb,Ib         xr    lock w:szp u:a 0:oc i64 alias
82 /2                ADC                Eb,Ib         xr    lock w:oszapc r:c i64 alias
82 /3                SBB                Eb,Ib         xr    lock w:oszapc r:c i64 alias
82 /4                AND                Eb,Ib         xr    lock w:szp u:a 0:oc i64 alias
82 /5                SUB                Eb,Ib         xr    lock w:oszapc i64 alias
82 /6                XOR                Eb,Ib         xr    lock w:szp u:a 0:oc i64 alias
82 /7                CMP                Eb,Ib         rr    w:oszapc i64 alias
83 /0                ADD                Ev,sIb        xr    lock w:oszapc
83 /1                OR                 Ev,sIb        xr    lock w:szp u:a 0:oc
83 /2                ADC                Ev,sIb        xr    lock w:oszapc r:c
83 /3                SBB                Ev,sIb        xr    lock w:oszapc r:c
83 /4                AND                Ev,sIb        xr    lock w:szp u:a 0:oc
83 /5                SUB                Ev,sIb        xr    lock w:oszapc
83 /6                XOR                Ev,sIb        xr    lock w:szp u:a 0:oc
83 /7                CMP                Ev,sIb        rr    w:oszapc
40+r                 INC                Zv            x     i64 w:oszap
48+r                 DEC                Zv            x     i64 w:oszap
FE /0                INC                Eb            x     lock w:oszap
FE /1                DEC                Eb            x     lock w:oszap
FF /0                INC                Ev            x     lock w:oszap
FF /1                DEC                Ev            x     lock w:oszap
84 /r                TEST               Eb,Gb         rr    w:szp u:a 0:oc
85 /r                TEST               Ev,Gv         rr    w:szp u:a 0:oc
A8                   TEST               AL,Ib         rr    w:szp u:a 0:oc
A9                   TEST               rAX,Iz        rr    w:szp u:a 0:oc
F6 /0                TEST               Eb,Ib         rr    w:szp u:a 0:oc
F6 /1                TEST               Eb,Ib         rr    alias w:szp u:a 0:oc
F7 /0                TEST               Ev,Iz         rr    w:szp u:a 0:oc
F7 /1                TEST               Ev,Iz         rr    alias w:szp u:a 0:oc
F6 /2                NOT                Eb            x     lock
F7 /2                NOT                Ev            x     lock
F6 /3                NEG                Eb            x     lock w:oszapc
F7 /3                NEG                Ev            x     lock w:oszapc
F6 /4                MUL                Eb            r     w:oc u:szap
F7 /4                MUL                Ev            r     w:oc u:szap
F6 /5                IMUL               Eb            r     w:oc u:szap body:imul1
F7 /5                IMUL               Ev            r     w:oc u:szap body:imul1
F6 /6                DIV                Eb            r     u:oszapc
F7 /6                DIV                Ev            r     u:oszapc
F6 /7                IDIV               Eb            r     u:oszapc
F7 /7                IDIV               Ev            r     u:oszapc
0F AF /r             IMUL               Gv,Ev         xr    w:oc u:szap
69 /r                IMUL               Gv,Ev,Iz      wrr   w:oc u:szap body:imul3
6B /r                IMUL               Gv,Ev,sIb     wrr   w:oc u:szap body:imul3
27                   DAA                -             -     i64 w:szapc r:ac u:o
2F                   DAS                -             -     i64 w:szapc r:ac u:o
37                   AAA                -             -     i64 w:ac r:a u:oszp
3F                   AAS                -             -     i64 w:ac r:a u:oszp
D4                   AAM                Ib            r     i64 w:szp u:oac
D5                   AAD                Ib            r     i64 w:szp u:oac
98                   CBW/CWDE/CDQE      -             -     body:cbw
99                   CWD/CDQ/CQO        -             -     body:cwd
D6                   SALC               -             -     i64 r:c
`;
