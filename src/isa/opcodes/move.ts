/** Data transfer: "Data Transfer Instructions" in the SDM. */
export const move = `
88 /r                MOV                Eb,Gb         wr
89 /r                MOV                Ev,Gv         wr
8A /r                MOV                Gb,Eb         wr
8B /r                MOV                Gv,Ev         wr
8C /r                MOV                RvMw,Sw       wr    body:mov_from_seg
8E /r                MOV                Sw,Ew         wr    end body:mov_to_seg
A0                   MOV                AL,Ob         wr
A1                   MOV                rAX,Ov        wr
A2                   MOV                Ob,AL         wr
A3                   MOV                Ov,rAX        wr
B0+r                 MOV                Zb,Ib         wr
B8+r                 MOV                Zv,Iv         wr
C6 /0                MOV                Eb,Ib         wr
C7 /0                MOV                Ev,Iz         wr
8D /r mod=m          LEA                Gv,M          w-
86 /r                XCHG               Eb,Gb         xx    lock
87 /r                XCHG               Ev,Gv         xx    lock
# 90 is NOP unless REX.B makes it XCHG r8,rAX: the exact opcode wins over 90+r, attribute norexb gives it up.
90                   NOP                -             -     norexb
F3 90                PAUSE              -             -     exit:PAUSE_INSTRUCTION end
90+r                 XCHG               Zv,rAX        xx
D7                   XLATB              -             -     body:xlat
63 /r                ARPL               Ew,Gw         xr    i64 noreal w:z
63 /r                MOVSXD             Gv,Ed         wr    o64
0F B6 /r             MOVZX              Gv,Eb         wr
0F B7 /r             MOVZX              Gv,Ew         wr
0F BE /r             MOVSX              Gv,Eb         wr
0F BF /r             MOVSX              Gv,Ew         wr
0F C8+r              BSWAP              Zv            x
0F C0 /r             XADD               Eb,Gb         xx    lock w:oszapc
0F C1 /r             XADD               Ev,Gv         xx    lock w:oszapc
0F B0 /r             CMPXCHG            Eb,Gb         xr    lock w:oszapc
0F B1 /r             CMPXCHG            Ev,Gv         xr    lock w:oszapc
0F C7 /1 mod=m       CMPXCHG8B/CMPXCHG8B/CMPXCHG16B  Mqdq          x     lock w:z cx8
0F C3 /r mod=m       MOVNTI             My,Gy         wr    sse2
0F 38 F0 /r mod=m    MOVBE              Gv,Mv         wr    movbe
0F 38 F1 /r mod=m    MOVBE              Mv,Gv         wr    movbe
C4 /r mod=m          LES                Gv,Mp         wr    i64 end body:load_far_es
C5 /r mod=m          LDS                Gv,Mp         wr    i64 end body:load_far_ds
0F B2 /r mod=m       LSS                Gv,Mp         wr    end body:load_far_ss
0F B4 /r mod=m       LFS                Gv,Mp         wr    end body:load_far_fs
0F B5 /r mod=m       LGS                Gv,Mp         wr    end body:load_far_gs
# Conditional moves read their source and write (zero-extend) their destination even when the condition is false.
0F 40 /r             CMOVO              Gv,Ev         xr    cmov r:o body:cmovcc cc:0
0F 41 /r             CMOVNO             Gv,Ev         xr    cmov r:o body:cmovcc cc:1
0F 42 /r             CMOVB              Gv,Ev         xr    cmov r:c body:cmovcc cc:2
0F 43 /r             CMOVAE             Gv,Ev         xr    cmov r:c body:cmovcc cc:3
0F 44 /r             CMOVE              Gv,Ev         xr    cmov r:z body:cmovcc cc:4
0F 45 /r             CMOVNE             Gv,Ev         xr    cmov r:z body:cmovcc cc:5
0F 46 /r             CMOVBE             Gv,Ev         xr    cmov r:cz body:cmovcc cc:6
0F 47 /r             CMOVA              Gv,Ev         xr    cmov r:cz body:cmovcc cc:7
0F 48 /r             CMOVS              Gv,Ev         xr    cmov r:s body:cmovcc cc:8
0F 49 /r             CMOVNS             Gv,Ev         xr    cmov r:s body:cmovcc cc:9
0F 4A /r             CMOVP              Gv,Ev         xr    cmov r:p body:cmovcc cc:10
0F 4B /r             CMOVNP             Gv,Ev         xr    cmov r:p body:cmovcc cc:11
0F 4C /r             CMOVL              Gv,Ev         xr    cmov r:so body:cmovcc cc:12
0F 4D /r             CMOVGE             Gv,Ev         xr    cmov r:so body:cmovcc cc:13
0F 4E /r             CMOVLE             Gv,Ev         xr    cmov r:szo body:cmovcc cc:14
0F 4F /r             CMOVG              Gv,Ev         xr    cmov r:szo body:cmovcc cc:15
`;
