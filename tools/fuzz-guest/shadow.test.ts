import { testWild } from "./short.ts";

testWild(["vmx-vtlb", "vmx-cached", "bare"]);
