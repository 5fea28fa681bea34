import type { HostComputer } from "../../host/index.ts";
import { F, PROC2 } from "./fields.ts";
import type { Vmcs } from "./vmcs.ts";

const ENTRIES = 512;

/** The page into which the processor logs guest-physical addresses ("Page-Modification Logging"), and how KVM reads it. */
export class ModificationLog {
  readonly #host: HostComputer;
  readonly #vmcs: Vmcs;
  readonly #page: number;
  #on = false;

  constructor(host: HostComputer, vmcs: Vmcs) {
    this.#host = host;
    this.#vmcs = vmcs;
    this.#page = host.frames.frame();
  }

  /** The VMCS has been set up anew: an empty log that is off. */
  setUp(): void {
    this.#vmcs.put(F.PML_ADDRESS, this.#page);
    this.#vmcs.put(F.PML_INDEX, ENTRIES - 1);
    this.#on = false;
  }

  /** Is wanted while any slot is logged. Before an entry. */
  switch(on: boolean): void {
    if (on === this.#on) return;
    this.#on = on;
    const controls = this.#vmcs.number(F.PROC2);
    this.#vmcs.put(F.PROC2, on ? controls | PROC2.PML : controls & ~PROC2.PML);
  }

  /** vmx_flush_pml_buffer, at every exit: the index points at the next free entry, FFFFh when there is none. */
  drain(dirty: (gpa: number) => void): void {
    if (!this.#on) return;
    const index = this.#vmcs.low(F.PML_INDEX);
    if (index === ENTRIES - 1) return;
    for (let i = index >= ENTRIES ? 0 : index + 1; i < ENTRIES; i++)
      dirty(Number(this.#host.memory.read64(this.#page + i * 8)));
    this.#vmcs.put(F.PML_INDEX, ENTRIES - 1);
  }
}
