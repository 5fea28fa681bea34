/** The stack: "Data Transfer Instructions" and "ENTER and LEAVE Instructions" in the SDM. */
export const stack = `
50+r                 PUSH               Zv            r     d64
58+r                 POP                Zv            w     d64
68                   PUSH               Iz            r     d64
6A                   PUSH               sIb           r     d64
FF /6                PUSH               Ev            r     d64
8F /0                POP                Ev            w     d64
06                   PUSH               ES            r     i64 body:push_seg
0E                   PUSH               CS            r     i64 body:push_seg
16                   PUSH               SS            r     i64 body:push_seg
1E                   PUSH               DS            r     i64 body:push_seg
0F A0                PUSH               FS            r     d64 body:push_seg
0F A8                PUSH               GS            r     d64 body:push_seg
07                   POP                ES            w     i64 end body:pop_seg
17                   POP                SS            w     i64 end body:pop_seg
1F                   POP                DS            w     i64 end body:pop_seg
0F A1                POP                FS            w     d64 end body:pop_seg
0F A9                POP                GS            w     d64 end body:pop_seg
60                   PUSHAW/PUSHAD      -             -     i64 body:pusha
61                   POPAW/POPAD        -             -     i64 body:popa
9C                   PUSHFW/PUSHFD/PUSHFQ  -             -     d64 body:pushf r:oszapcdi
9D                   POPFW/POPFD/POPFQ  -             -     d64 end body:popf w:oszapcdi
C8                   ENTER              Iw,Ib         rr    d64
C9                   LEAVE              -             -     d64
`;
