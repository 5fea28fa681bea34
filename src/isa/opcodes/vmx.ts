/** VMX instructions: "VMX Instruction Reference" in the SDM. SMX leaves one row, which only ever faults or exits. */
export const vmx = `
NP 0F 01 /0 rm=1     VMCALL             -             -     end exit:VMCALL w:oszapc
NP 0F 01 /0 rm=2     VMLAUNCH           -             -     vmx cpl0 end exit:VMLAUNCH w:oszapc
NP 0F 01 /0 rm=3     VMRESUME           -             -     vmx cpl0 end exit:VMRESUME w:oszapc
NP 0F 01 /0 rm=4     VMXOFF             -             -     vmx cpl0 end exit:VMOFF w:oszapc
NP 0F 01 /2 rm=4     VMFUNC             -             -     vmx end exit:VMFUNC
NP 0F 78 /r          VMREAD             En,Gn         wr    vmx cpl0 end exit:VMREAD w:oszapc
NP 0F 79 /r          VMWRITE            Gn,En         rr    vmx cpl0 end exit:VMWRITE w:oszapc
NP 0F C7 /6 mod=m    VMPTRLD            Mq            r     vmx cpl0 end exit:VMPTRLD w:oszapc
66 0F C7 /6 mod=m    VMCLEAR            Mq            r     vmx cpl0 end exit:VMCLEAR w:oszapc
F3 0F C7 /6 mod=m    VMXON              Mq            r     vmx cpl0 end exit:VMON w:oszapc
NP 0F C7 /7 mod=m    VMPTRST            Mq            w     vmx cpl0 end exit:VMPTRST w:oszapc
66 0F 38 80 /r mod=m  INVEPT             Gn,Mdq        rr    vmx cpl0 end exit:INVEPT w:oszapc
66 0F 38 81 /r mod=m  INVVPID            Gn,Mdq        rr    vmx cpl0 end exit:INVVPID w:oszapc
0F 37                GETSEC             -             -     smx end exit:GETSEC
`;
