/** Flag control, system and hint instructions: "System Instructions" and "Flag Control (EFLAG) Instructions" in the SDM. */
export const system = `
F4                   HLT                -             -     cpl0 end exit:HLT
F5                   CMC                -             -     w:c r:c
F8                   CLC                -             -     0:c
F9                   STC                -             -     1:c
FA                   CLI                -             -     end 0:i
FB                   STI                -             -     end 1:i
FC                   CLD                -             -     0:d
FD                   STD                -             -     1:d
9B                   WAIT               -             -     body:fwait
9E                   SAHF               -             -     lahf_lm w:szapc
9F                   LAHF               -             -     lahf_lm r:szapc
0F 00 /0             SLDT               RvMw          w     noreal umip end exit:LDTR_TR
0F 00 /1             STR                RvMw          w     noreal umip end exit:LDTR_TR
0F 00 /2             LLDT               Ew            r     noreal cpl0 end exit:LDTR_TR
0F 00 /3             LTR                Ew            r     noreal cpl0 end exit:LDTR_TR
0F 00 /4             VERR               Ew            r     noreal w:z
0F 00 /5             VERW               Ew            r     noreal w:z
0F 01 /0 mod=m       SGDT               Ms            w     umip end exit:GDTR_IDTR
0F 01 /1 mod=m       SIDT               Ms            w     umip end exit:GDTR_IDTR
0F 01 /2 mod=m       LGDT               Ms            r     cpl0 end exit:GDTR_IDTR
0F 01 /3 mod=m       LIDT               Ms            r     cpl0 end exit:GDTR_IDTR
0F 01 /4             SMSW               RvMw          w     umip end
0F 01 /6             LMSW               Ew            r     cpl0 end exit:CR_ACCESS
0F 01 /7 mod=m       INVLPG             M             -     cpl0 end exit:INVLPG
0F 01 /1 rm=0        MONITOR            -             -     monitor cpl0 end exit:MONITOR_INSTRUCTION
0F 01 /1 rm=1        MWAIT              -             -     monitor cpl0 end exit:MWAIT_INSTRUCTION
0F 01 /1 rm=2        CLAC               -             -     smap cpl0 end
0F 01 /1 rm=3        STAC               -             -     smap cpl0 end
0F 01 /2 rm=0        XGETBV             -             -     xsave
0F 01 /2 rm=1        XSETBV             -             -     xsave cpl0 end exit:XSETBV
0F 01 /7 rm=0        SWAPGS             -             -     o64 cpl0 end
0F 01 /7 rm=1        RDTSCP             -             -     rdtscp end exit:RDTSCP
0F 02 /r             LAR                Gv,Ew         xr    noreal w:z
0F 03 /r             LSL                Gv,Ew         xr    noreal w:z
0F 06                CLTS               -             -     cpl0 end exit:CR_ACCESS
0F 08                INVD               -             -     cpl0 end exit:INVD
0F 09                WBINVD             -             -     cpl0 end exit:WBINVD
# Control and debug register moves ignore mod: the rm field always names a register.
0F 20 /r             MOV                Rn,Cn         wr    cpl0 end body:mov_from_cr exit:CR_ACCESS u:oszapc
0F 21 /r             MOV                Rn,Dn         wr    cpl0 end body:mov_from_dr exit:DR_ACCESS u:oszapc
0F 22 /r             MOV                Cn,Rn         wr    cpl0 end body:mov_to_cr exit:CR_ACCESS u:oszapc
0F 23 /r             MOV                Dn,Rn         wr    cpl0 end body:mov_to_dr exit:DR_ACCESS u:oszapc
0F 30                WRMSR              -             -     msr cpl0 end exit:MSR_WRITE
0F 31                RDTSC              -             -     tsc end exit:RDTSC
0F 32                RDMSR              -             -     msr cpl0 end exit:MSR_READ
0F 33                RDPMC              -             -     end exit:RDPMC
0F A2                CPUID              -             -     end exit:CPUID
0F AA                RSM                -             -     end w:oszapcdi exit:RSM
66 0F 38 82 /r mod=m  INVPCID            Gn,Mdq        rr    invpcid cpl0 end exit:INVPCID
# Hint space: all of it executes as NOP.
0F 0D /0 mod=m       PREFETCH           Mb            -     body:nop
0F 0D /1 mod=m       PREFETCHW          Mb            -     body:nop
0F 0D /r mod=3       NOP                Ev            -     alias
0F 18 /0 mod=m       PREFETCHNTA        Mb            -     sse body:nop
0F 18 /1 mod=m       PREFETCHT0         Mb            -     sse body:nop
0F 18 /2 mod=m       PREFETCHT1         Mb            -     sse body:nop
0F 18 /3 mod=m       PREFETCHT2         Mb            -     sse body:nop
0F 18 /0 mod=3       NOP                Ev            -     alias
0F 18 /1 mod=3       NOP                Ev            -     alias
0F 18 /2 mod=3       NOP                Ev            -     alias
0F 18 /3 mod=3       NOP                Ev            -     alias
0F 18 /4             NOP                Ev            -     alias
0F 18 /5             NOP                Ev            -     alias
0F 18 /6             NOP                Ev            -     alias
0F 18 /7             NOP                Ev            -     alias
0F 19 /r             NOP                Ev            -     alias
0F 1A /r             NOP                Ev            -     alias
0F 1B /r             NOP                Ev            -     alias
0F 1C /r             NOP                Ev            -     alias
0F 1D /r             NOP                Ev            -     alias
0F 1E /r             NOP                Ev            -     alias
F3 0F 1E /7 rm=2     ENDBR64            -             -     body:nop
F3 0F 1E /7 rm=3     ENDBR32            -             -     body:nop
0F 1F /r             NOP                Ev            -
NP 0F AE /5 mod=3    LFENCE             -             -     sse2 body:nop
NP 0F AE /6 mod=3    MFENCE             -             -     sse2 body:nop
NP 0F AE /7 mod=3    SFENCE             -             -     sse body:nop
NP 0F AE /7 mod=m    CLFLUSH            Mb            r     clflush
66 0F AE /7 mod=m    CLFLUSHOPT         Mb            r     clflushopt body:clflush
F3 0F AE /0 mod=3    RDFSBASE           Ry            w     o64 fsgsbase
F3 0F AE /1 mod=3    RDGSBASE           Ry            w     o64 fsgsbase
F3 0F AE /2 mod=3    WRFSBASE           Ry            r     o64 fsgsbase end
F3 0F AE /3 mod=3    WRGSBASE           Ry            r     o64 fsgsbase end
`;
