import type { Lapic } from "./lapic.ts";

/** Delivery modes of APIC messages (SDM, "Interrupt Command Register (ICR)"). */
export const DeliveryMode = {
  fixed: 0,
  lowestPriority: 1,
  smi: 2,
  nmi: 4,
  init: 5,
  startUp: 6,
  extInt: 7,
} as const;

/** Destination shorthands of the ICR. */
export const Shorthand = { none: 0, self: 1, all: 2, allButSelf: 3 } as const;

/** One interrupt message, as the ICR, an IOAPIC entry or an MSI describes it. */
export interface ApicMessage {
  /** 8 bits, or 32 when `wide`. */
  readonly dest: number;
  readonly logical: boolean;
  readonly mode: number;
  readonly vector: number;
  /** Level triggered: the EOI will be broadcast. */
  readonly level: boolean;
  /** Sent in x2APIC format, so that the broadcast address is FFFFFFFFh instead of FFh. */
  readonly wide: boolean;
}

/** Carries messages among the local APICs, the IOAPIC and MSI sources. */
export class ApicBus {
  readonly lapics: Lapic[] = [];
  /** Where the EOI of a level-triggered vector goes. */
  onEoi: (vector: number) => void = () => {};
  /** While an ICR sends: whoever hears a signal meanwhile knows that a processor waits for what it has asked of another. */
  sending = false;
  /** Does somebody want to hear the end of this vector, though it is edge-triggered? */
  hears: (vector: number) => boolean = () => false;

  /**
   * Delivers to all that match, or for lowest priority to one of them; false when nobody accepts.
   * @param _pin of the IOAPIC, where the message comes from one
   */
  deliver(message: ApicMessage, _pin?: number): boolean {
    if (message.mode === DeliveryMode.lowestPriority) return this.#deliverLowest(message);
    let accepted = false;
    for (const lapic of this.lapics) {
      if (lapic.matches(message.dest, message.logical, message.wide)) {
        accepted = lapic.accept(message.mode, message.vector, message.level) || accepted;
      }
    }
    return accepted;
  }

  /** Sends with a destination shorthand other than none. */
  deliverShorthand(source: Lapic, shorthand: number, mode: number, vector: number): void {
    for (const lapic of this.lapics) {
      const self = lapic === source;
      if (self ? shorthand !== Shorthand.allButSelf : shorthand !== Shorthand.self) {
        lapic.accept(mode, vector, false);
      }
    }
  }

  /** The lowest processor priority wins; among equals the first, so that a run repeats exactly. */
  #deliverLowest(message: ApicMessage): boolean {
    let best: Lapic | null = null;
    for (const lapic of this.lapics) {
      if (!lapic.enabled || !lapic.matches(message.dest, message.logical, message.wide)) continue;
      if (best === null || lapic.ppr < best.ppr) best = lapic;
    }
    return best?.accept(DeliveryMode.fixed, message.vector, message.level) ?? false;
  }
}
