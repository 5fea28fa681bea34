import type { MachineStop } from "../machine.ts";
import type { Ending } from "./protocol.ts";

export function endingOf(stop: MachineStop): Ending {
  return { kind: stop.kind, text: sentence(stop) };
}

function sentence(stop: MachineStop): string {
  switch (stop.kind) {
    case "halt": return "The guest halted with nothing left that could wake it.";
    case "shutdown": return "Triple fault: the processor shut down (KVM_EXIT_SHUTDOWN). Memory and registers are kept.";
    case "exit": return `The guest ended the machine (${stop.cause}) with status ${stop.status}.`;
    case "error": return `Internal error: ${stop.message}. Memory is kept.`;
    default: return "";
  }
}
