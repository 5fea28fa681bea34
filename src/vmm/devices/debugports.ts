import type { PortDevice, PortSize } from "../../base/index.ts";

/** isa-debug-exit: any value ends the machine with exit status (value << 1) | 1. */
export const debugExitPort = 0xf4;
/** Consoles of Bochs and of SeaBIOS: written bytes are output, reads give E9h, "here I am". */
export const debugConsolePorts = [0xe9, 0x402] as const;
/** Where a BIOS shows how far it came; nobody looks. */
export const postPort = 0x80;

/** Port F4h, four bytes wide. Stateless. */
export class DebugExit implements PortDevice {
  readonly #exit: (status: number) => void;

  constructor(exit: (status: number) => void) {
    this.#exit = exit;
  }

  portRead(): number {
    return 0;
  }

  /** The status is a process exit status: the low eight bits count. */
  portWrite(_port: number, _size: PortSize, value: number): void {
    this.#exit(((value << 1) | 1) & 0xff);
  }
}

/** Ports E9h and 402h. Stateless. */
export class DebugConsole implements PortDevice {
  readonly #output: (byte: number) => void;

  constructor(output: (byte: number) => void) {
    this.#output = output;
  }

  portRead(): number {
    return 0xe9;
  }

  portWrite(_port: number, _size: PortSize, value: number): void {
    this.#output(value & 0xff);
  }
}
