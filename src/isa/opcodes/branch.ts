/** Control transfer: "Control Transfer Instructions" in the SDM, with SETcc. */
export const branch = `
70                   JO                 Jb            r     end f64 r:o body:jcc cc:0
71                   JNO                Jb            r     end f64 r:o body:jcc cc:1
72                   JB                 Jb            r     end f64 r:c body:jcc cc:2
73                   JAE                Jb            r     end f64 r:c body:jcc cc:3
74                   JE                 Jb            r     end f64 r:z body:jcc cc:4
75                   JNE                Jb            r     end f64 r:z body:jcc cc:5
76                   JBE                Jb            r     end f64 r:cz body:jcc cc:6
77                   JA                 Jb            r     end f64 r:cz body:jcc cc:7
78                   JS                 Jb            r     end f64 r:s body:jcc cc:8
79                   JNS                Jb            r     end f64 r:s body:jcc cc:9
7A                   JP                 Jb            r     end f64 r:p body:jcc cc:10
7B                   JNP                Jb            r     end f64 r:p body:jcc cc:11
7C                   JL                 Jb            r     end f64 r:so body:jcc cc:12
7D                   JGE                Jb            r     end f64 r:so body:jcc cc:13
7E                   JLE                Jb            r     end f64 r:szo body:jcc cc:14
7F                   JG                 Jb            r     end f64 r:szo body:jcc cc:15
0F 80                JO                 Jz            r     end f64 r:o body:jcc cc:0
0F 81                JNO                Jz            r     end f64 r:o body:jcc cc:1
0F 82                JB                 Jz            r     end f64 r:c body:jcc cc:2
0F 83                JAE                Jz            r     end f64 r:c body:jcc cc:3
0F 84                JE                 Jz            r     end f64 r:z body:jcc cc:4
0F 85                JNE                Jz            r     end f64 r:z body:jcc cc:5
0F 86                JBE                Jz            r     end f64 r:cz body:jcc cc:6
0F 87                JA                 Jz            r     end f64 r:cz body:jcc cc:7
0F 88                JS                 Jz            r     end f64 r:s body:jcc cc:8
0F 89                JNS                Jz            r     end f64 r:s body:jcc cc:9
0F 8A                JP                 Jz            r     end f64 r:p body:jcc cc:10
0F 8B                JNP                Jz            r     end f64 r:p body:jcc cc:11
0F 8C                JL                 Jz            r     end f64 r:so body:jcc cc:12
0F 8D                JGE                Jz            r     end f64 r:so body:jcc cc:13
0F 8E                JLE                Jz            r     end f64 r:szo body:jcc cc:14
0F 8F                JG                 Jz            r     end f64 r:szo body:jcc cc:15
0F 90 /r             SETO               Eb            w     r:o body:setcc cc:0
0F 91 /r             SETNO              Eb            w     r:o body:setcc cc:1
0F 92 /r             SETB               Eb            w     r:c body:setcc cc:2
0F 93 /r             SETAE              Eb            w     r:c body:setcc cc:3
0F 94 /r             SETE               Eb            w     r:z body:setcc cc:4
0F 95 /r             SETNE              Eb            w     r:z body:setcc cc:5
0F 96 /r             SETBE              Eb            w     r:cz body:setcc cc:6
0F 97 /r             SETA               Eb            w     r:cz body:setcc cc:7
0F 98 /r             SETS               Eb            w     r:s body:setcc cc:8
0F 99 /r             SETNS              Eb            w     r:s body:setcc cc:9
0F 9A /r             SETP               Eb            w     r:p body:setcc cc:10
0F 9B /r             SETNP              Eb            w     r:p body:setcc cc:11
0F 9C /r             SETL               Eb            w     r:so body:setcc cc:12
0F 9D /r             SETGE              Eb            w     r:so body:setcc cc:13
0F 9E /r             SETLE              Eb            w     r:szo body:setcc cc:14
0F 9F /r             SETG               Eb            w     r:szo body:setcc cc:15
E0                   LOOPNE             Jb            r     end f64 r:z
E1                   LOOPE              Jb            r     end f64 r:z
E2                   LOOP               Jb            r     end f64
E3                   JCXZ/JECXZ/JRCXZ   Jb            r     end f64 asz body:jcxz
E8                   CALL               Jz            r     end f64 body:call_rel
E9                   JMP                Jz            r     end f64 body:jmp_rel
EB                   JMP                Jb            r     end f64 body:jmp_rel
9A                   CALL               Ap            r     end i64 body:call_far
EA                   JMP                Ap            r     end i64 body:jmp_far
FF /2                CALL               Ev            r     end f64 body:call_ind
FF /3 mod=m          CALL               Mp            r     end body:call_far
FF /4                JMP                Ev            r     end f64 body:jmp_ind
FF /5 mod=m          JMP                Mp            r     end body:jmp_far
C2                   RET                Iw            r     end f64 body:ret
C3                   RET                -             -     end f64 body:ret
CA                   RETF               Iw            r     end body:ret_far
CB                   RETF               -             -     end body:ret_far
CC                   INT3               -             -     end body:int3
CD                   INT                Ib            r     end body:int
CE                   INTO               -             -     end i64 r:o
CF                   IRETW/IRETD/IRETQ  -             -     end body:iret w:oszapcdi
F1                   INT1               -             -     end body:int1
62 /r mod=m          BOUND              Gv,Ma         rr    i64
0F 05                SYSCALL            -             -     end syscall
0F 07                SYSRETD/SYSRETD/SYSRETQ  -             -     end syscall body:sysret
0F 34                SYSENTER           -             -     end noreal sep
0F 35                SYSEXITD/SYSEXITD/SYSEXITQ  -             -     end noreal cpl0 sep body:sysexit
0F 0B                UD2                -             -     end body:ud
0F B9 /r             UD1                Gv,Ev         --    end body:ud
0F FF /r             UD0                Gv,Ev         --    end body:ud
`;
