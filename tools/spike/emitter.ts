// A function under construction: bytes, levels, locals; and what the splicer knows while it walks a stencil.
import { I32, I64, NONE, u } from "./wasm.ts";

export interface Entry {
  readonly type: number;
  readonly value?: number | bigint;
}
/** What is known at a point: constants in locals; whether something architectural has been written. */
export interface Flow {
  readonly known: Map<number, number | bigint>;
  readonly committed: boolean;
}
export interface Label {
  readonly op: number;
  readonly type: number;
  readonly level: number;
  readonly height: number;
  readonly outer: Code;
  readonly entry: Flow;
  readonly values: Entry[];
  readonly flows: Flow[];
  virtual: boolean;
}
/** Bytes that are only needed if the label's value turns out not to be one constant. */
export interface Hole {
  readonly label: Label;
  readonly bytes: readonly number[];
}
export type Code = (number | Hole)[];

/** One function under construction. */
export class Emitter {
  code: Code = [];
  level = 0;
  readonly #locals: number[];
  readonly #params: number;
  readonly #free = new Map<number, number[]>([
    [I32, []],
    [I64, []],
  ]);

  constructor(params: readonly number[]) {
    this.#locals = [...params];
    this.#params = params.length;
  }
  get locals(): readonly number[] {
    return this.#locals.slice(this.#params);
  }
  emit(...bytes: number[]): void {
    this.code.push(...bytes);
  }
  /** A local for the whole function; local() gives one until it is released. */
  fresh(type: number): number {
    return this.#locals.push(type) - 1;
  }
  local(type: number): number {
    return this.#free.get(type)?.pop() ?? this.fresh(type);
  }
  typeOf(local: number): number {
    return this.#locals[local] ?? 0;
  }
  release(local: number): void {
    this.#free.get(this.#locals[local] ?? 0)?.push(local);
  }
  branch(level: number, op = 0x0c): void {
    this.emit(op, ...u(this.level - level));
  }
  open(op: number): number {
    this.emit(op, NONE);
    return ++this.level;
  }
  close(): void {
    this.emit(0x0b);
    this.level--;
  }
  bytes(): number[] {
    return this.code.flatMap((c) => (typeof c === "number" ? [c] : c.label.virtual ? [] : [...c.bytes]));
  }
}
