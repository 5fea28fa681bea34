// asc lets locals that are never alive together share one. Here they are told apart again: each gets a number of its own,
// so that most are assigned once, and a constant in one of those needs no code.
//
// A definition is an assignment, a parameter, or the zero that a local starts with. Where paths meet, a join stands for
// the definitions that arrive; only when a join is read are they one variable.

export interface Webs {
  /** Type by new number; the parameters keep theirs. */
  readonly types: readonly number[];
  /** 1: assigned once (or a parameter that is never assigned). */
  readonly single: readonly number[];
  /** 1: may be read before it is assigned. */
  readonly zeroed: readonly number[];
}

interface Label { readonly loop: boolean; state: Int32Array | undefined; entry: Int32Array | undefined }

class Definitions {
  readonly parent: number[] = [];
  readonly local: number[] = [];
  readonly assigns: number[] = [];
  readonly zero: number[] = [];
  readonly arriving: (number[] | undefined)[] = [];
  readonly used: boolean[] = [];

  add(local: number, assigns: number, zero: number, arriving?: number[]): number {
    const id = this.parent.length;
    this.parent.push(id);
    this.local.push(local);
    this.assigns.push(assigns);
    this.zero.push(zero);
    this.arriving.push(arriving);
    this.used.push(false);
    return id;
  }
  find(id: number): number {
    while (this.parent[id] !== id) id = this.parent[id]!;
    return id;
  }
  union(a: number, b: number): void {
    const x = this.find(a), y = this.find(b);
    if (x === y) return;
    this.parent[y] = x;
    this.assigns[x]! += this.assigns[y]!;
    this.zero[x]! |= this.zero[y]!;
  }
  /** A read: the joins behind it become one variable with what arrives there. */
  use(id: number): void {
    if (this.used[id]) return;
    this.used[id] = true;
    for (const other of this.arriving[id] ?? []) { this.use(other); this.union(id, other); }
  }
  /** One more definition arrives at a join. */
  arrive(join: number, id: number): void {
    if (join === id) return;
    this.arriving[join]!.push(id);
    if (this.used[join]) { this.use(id); this.union(join, id); }
  }
}

/** Renumber the locals of a function in place (`a` of 20, 21 and 22).
 *  @param switches labels of each 0E */
export function split(parameters: readonly number[], locals: readonly number[], op: Uint8Array, a: Int32Array, otherwise: Int32Array, switches: readonly (readonly number[])[]): Webs {
  const params = parameters.length, count = params + locals.length, defs = new Definitions(), at = new Int32Array(op.length).fill(-1);
  let state: Int32Array | undefined = new Int32Array(count);
  for (let l = 0; l < count; l++) state[l] = defs.add(l, l < params ? 1 : 0, l < params ? 0 : 1);
  const labels: Label[] = [{ loop: false, state: undefined, entry: undefined }];
  const join = (label: Label, from: Int32Array): void => {
    if (!label.state) {
      label.state = new Int32Array(count);
      for (let l = 0; l < count; l++) label.state[l] = label.loop ? from[l]! : defs.add(l, 0, 0, [from[l]!]);
      return;
    }
    for (let l = 0; l < count; l++) defs.arrive(label.state[l]!, from[l]!);
  };
  for (let i = 0; i < op.length; i++) {
    const code = op[i]!;
    if (code >= 0x02 && code <= 0x04) {
      const label: Label = { loop: code === 0x03, state: undefined, entry: code === 0x04 ? state : undefined };
      if (label.loop && state) {
        const entry = new Int32Array(count);
        for (let l = 0; l < count; l++) entry[l] = defs.add(l, 0, 0, [state[l]!]);
        label.state = entry;
        state = entry.slice();
      } else if (code === 0x04 && state) {
        label.entry = state;
        state = state.slice();
      }
      // Without an else the condition itself leads to the end.
      if (code === 0x04 && otherwise[i]! < 0 && label.entry) join(label, label.entry);
      labels.push(label);
    } else if (code === 0x05) {
      const label = labels[labels.length - 1]!;
      if (state) join(label, state);
      state = label.entry?.slice();
    } else if (code === 0x0b) {
      const label = labels.pop()!;
      if (label.loop) continue;
      if (state) join(label, state);
      state = label.state?.slice();
    } else if (code === 0x0c || code === 0x0d || code === 0x0f) {
      const label = code === 0x0f ? labels[0]! : labels[labels.length - 1 - a[i]!];
      if (state && label) join(label, state);
      if (code !== 0x0d) state = undefined;
    } else if (code === 0x0e) {
      for (const to of switches[a[i]!]!) {
        const label = labels[labels.length - 1 - to];
        if (state && label) join(label, state);
      }
      state = undefined;
    } else if (code === 0x00) state = undefined;
    else if (state && code === 0x20) {
      at[i] = state[a[i]!]!;
      defs.use(at[i]!);
    } else if (state && (code === 0x21 || code === 0x22)) {
      const id = defs.add(a[i]!, 1, 0);
      at[i] = id;
      state[a[i]!] = id;
    }
  }
  const types: number[] = [], single: number[] = [], zeroed: number[] = [], numbers = new Map<number, number>();
  const numberOf = (id: number): number => {
    const root = defs.find(id);
    let n = numbers.get(root);
    if (n === undefined) {
      n = types.length;
      numbers.set(root, n);
      const local = defs.local[root]!;
      types.push(local < params ? parameters[local]! : locals[local - params]!);
      single.push(defs.assigns[root]! === 1 && !defs.zero[root] ? 1 : 0);
      zeroed.push(defs.zero[root]!);
    }
    return n;
  };
  for (let l = 0; l < params; l++) {
    // A parameter shares a number with no other parameter: its definition comes first.
    types[l] = parameters[l]!;
    single[l] = defs.assigns[defs.find(l)]! === 1 ? 1 : 0;
    zeroed[l] = 0;
    numbers.set(defs.find(l), l);
  }
  for (let i = 0; i < op.length; i++) if (at[i]! >= 0) a[i] = numberOf(at[i]!);
  return { types, single, zeroed };
}
