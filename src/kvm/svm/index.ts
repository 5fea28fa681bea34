/** The door of svm for the rest of KVM. */
export { SvmVcpu, type SvmOptions } from "./ops.ts";
