/** SVM instructions: "Secure Virtual Machine" in the APM. */
export const svm = `
NP 0F 01 /3 rm=0     VMRUN              -             -     svm cpl0 noreal end
NP 0F 01 /3 rm=1     VMMCALL            -             -     end
NP 0F 01 /3 rm=2     VMLOAD             -             -     svm cpl0 noreal end
NP 0F 01 /3 rm=3     VMSAVE             -             -     svm cpl0 noreal end
NP 0F 01 /3 rm=4     STGI               -             -     svm cpl0 noreal end
NP 0F 01 /3 rm=5     CLGI               -             -     svm cpl0 noreal end
NP 0F 01 /3 rm=6     SKINIT             -             -     svm skinit cpl0 noreal end
NP 0F 01 /3 rm=7     INVLPGA            -             -     svm cpl0 noreal end
`;
