import { type MmioValue, mmioValue } from "../../base/index.ts";
import { type Core, layout } from "../../hw/index.ts";

/** A MOV between a register, or an immediate, and one device register: where it lies, its bytes, and what it moves. */
export interface Move {
  readonly ripLow: number;
  readonly ripHigh: number;
  readonly mode: number;
  readonly bytes: Uint8Array;
  readonly write: boolean;
  /** Bytes moved. */
  readonly size: number;
  /** The emulated processor keeps it decoded in this place. */
  readonly place: number;
}

const PLACES = 64;
const REGISTERS = 32; // 16 of two words
const RSP = 4;
const AC = 0x40000;
const UNUSED: Move = { ripLow: -1, ripHigh: 0, mode: 0, bytes: new Uint8Array(0), write: false, size: 0, place: -1 };

/** Opcodes with one memory operand that touch nothing else but a general register: MOV, MOVZX, MOVSX, MOVSXD, as opcode or 0F xx. */
const ONE_BYTE = new Set([0x88, 0x89, 0x8a, 0x8b, 0xa0, 0xa1, 0xa2, 0xa3, 0xc6, 0xc7]),
  TWO_BYTE = new Set([0xb6, 0xb7, 0xbe, 0xbf]);
const PREFIXES = new Set([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67]);

/** Is it one of them? It has just been executed, so that bytes 40h to 4Fh in front of such an opcode can only be a REX prefix. */
export function isMove(bytes: Uint8Array): boolean {
  let i = 0;
  while (PREFIXES.has(bytes[i] ?? 0) || ((bytes[i] ?? 0) & 0xf0) === 0x40) i++;
  return bytes[i] === 0x0f ? TWO_BYTE.has(bytes[i + 1] ?? 0) : ONE_BYTE.has(bytes[i] ?? 0);
}

/**
 * Moves that the emulator has completed before. The second time what such an instruction will do is known from its bytes: its only
 * access is the one that has exited. So a device is asked first and the instruction runs once, on the emulated processor as it stands:
 * general registers and flags are all that is copied.
 */
export class Moves {
  readonly #core: Core;
  readonly #host: Core;
  readonly #bytes: number;
  readonly #places: Move[] = new Array<Move>(PLACES).fill(UNUSED);
  /** Moves that it keeps decoded. */
  readonly #decoded: (Move | undefined)[] = new Array<Move | undefined>(PLACES).fill(undefined);
  /** Has the last thing that the emulated processor has run been a move? Its mode is the guest's then. */
  ready = false;
  #ac = 0;
  /** General registers, here and in the host's processor; and the operand in memory. */
  readonly #mine: Uint32Array;
  readonly #theirs: Uint32Array;
  readonly #words: Uint32Array;
  readonly #mail: BigUint64Array;

  constructor(core: Core, host: Core) {
    this.#core = core;
    this.#host = host;
    this.#bytes = core.exports.stepBytes();
    const first = layout.REGS / 4,
      mail = layout.MAILBOX;
    this.#mine = core.u32.subarray(first, first + REGISTERS);
    this.#theirs = host.u32.subarray(first, first + REGISTERS);
    this.#words = core.u32.subarray(mail / 4, mail / 4 + 2);
    this.#mail = core.u64.subarray(mail / 8, mail / 8 + 1);
  }

  /** The emulated processor is about to be used for something else. */
  forget(): void {
    this.ready = false;
  }

  /** An instruction of `length` bytes has run, whose only access was one of `size` bytes to a device. @param flags those before it */
  learn(ripLow: number, ripHigh: number, length: number, size: number, write: boolean, flags: number): void {
    const { u8, u32 } = this.#core,
      bytes = u8.slice(this.#bytes, this.#bytes + length);
    // What crosses a page has two translations; data breakpoints are looked for by the long way.
    if ((ripLow & 0xfff) + length > 4096 || !isMove(bytes) || ((u32[layout.DR7 / 4] ?? 0) & 0xff) !== 0) return;
    const place = placeOf(ripLow);
    this.#places[place] = { ripLow, ripHigh, mode: u32[layout.MODE / 4] ?? 0, bytes, write, size, place };
    this.ready = true;
    this.#ac = flags & AC;
  }

  /** The move at RIP, if it is one that is known and `code`, where RIP's bytes lie in the host's memory, still holds it. */
  find(ripLow: number, ripHigh: number, write: boolean, flags: number): Move | undefined {
    const move = this.#places[placeOf(ripLow)] ?? UNUSED;
    if (move.ripLow !== ripLow || move.ripHigh !== ripHigh || move.write !== write) return undefined;
    return move.mode === this.#core.u32[layout.MODE / 4] && (flags & AC) === this.#ac ? move : undefined;
  }
  /** @param code where the bytes at RIP lie in the memory of the host's processor */
  holds(move: Move, code: number): boolean {
    const { bytes } = move,
      { u8 } = this.#host;
    for (let i = 0; i < bytes.length; i++) if (u8[code + i] !== bytes[i]) return false;
    return true;
  }

  /** Completes a load: the guest's registers in the processor have the value. False: nothing has happened. */
  load(move: Move, value: MmioValue): boolean {
    if (typeof value === "bigint") this.#mail[0] = value;
    else {
      this.#words[0] = value;
      this.#words[1] = 0;
    }
    if (!this.#run(move)) return false;
    const mine = this.#mine,
      theirs = this.#theirs;
    // RSP of a guest that is out is not in the processor alone.
    if (mine[2 * RSP] !== theirs[2 * RSP] || mine[2 * RSP + 1] !== theirs[2 * RSP + 1]) return false;
    theirs.set(mine);
    return true;
  }
  /** What a store writes; undefined: nothing has happened. */
  stored(move: Move): MmioValue | undefined {
    if (!this.#run(move)) return undefined;
    return move.size === 8 ? this.#mail[0] : mmioValue(this.#words[0] ?? 0, move.size);
  }

  #run(move: Move): boolean {
    const { u8, u32, exports } = this.#core,
      { bytes, place } = move;
    this.#mine.set(this.#theirs);
    u32[layout.RIP / 4] = move.ripLow;
    u32[layout.RIP / 4 + 1] = move.ripHigh;
    if (this.#decoded[place] === move) return exports.stepMove(place, 0, move.size) !== 0;
    u8.set(bytes, this.#bytes);
    const ran = exports.stepMove(place, bytes.length, move.size) !== 0;
    this.#decoded[place] = ran ? move : undefined;
    return ran;
  }
}

const placeOf = (ripLow: number): number => (ripLow ^ (ripLow >>> 6)) & (PLACES - 1);
