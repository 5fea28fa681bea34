/** Bits and scans: "Bit and Byte Instructions" in the SDM. */
export const bits = `
0F A3 /r             BT                 Ev,Gv         rr    w:c u:osap
0F AB /r             BTS                Ev,Gv         xr    lock w:c u:osap
0F B3 /r             BTR                Ev,Gv         xr    lock w:c u:osap
0F BB /r             BTC                Ev,Gv         xr    lock w:c u:osap
0F BA /4             BT                 Ev,Ib         rr    w:c u:osap
0F BA /5             BTS                Ev,Ib         xr    lock w:c u:osap
0F BA /6             BTR                Ev,Ib         xr    lock w:c u:osap
0F BA /7             BTC                Ev,Ib         xr    lock w:c u:osap
# F3 before BSF and BSR is ignored: TZCNT and LZCNT come after x86-64-v2.
0F BC /r             BSF                Gv,Ev         xr    w:z u:osapc
0F BD /r             BSR                Gv,Ev         xr    w:z u:osapc
F3 0F B8 /r          POPCNT             Gv,Ev         wr    popcnt w:z 0:osapc
F2 0F 38 F0 /r       CRC32              Gy,Eb         xr    sse4_2
F2 0F 38 F1 /r       CRC32              Gy,Ev         xr    sse4_2
0F C7 /6 mod=3       RDRAND             Rv            w     rdrand w:c 0:oszap exit:RDRAND end
0F C7 /7 mod=3       RDSEED             Rv            w     rdseed w:c 0:oszap exit:RDSEED end
F3 0F C7 /7 mod=3    RDPID              Ry            w     rdpid
`;
