/** The door of `tcg`: a virtual machine on the bare emulated CPU, QEMU's name for "no KVM". */
export { TcgVm, type TcgOptions } from "./vm.ts";
export { observeTcg } from "./observer.ts";
