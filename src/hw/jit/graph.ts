// The order of a region's blocks: which of them form loops, and which are entered from outside.
//
// Branches forward become branches to the end of a Wasm block, branches to the head of a natural loop branches to a Wasm
// loop; everything else goes through the dispatch at the top of the function and makes its target an entry:
//
//   loop dispatch                      A loop may be left and entered only by its head. One that has another entry
//     block 2 block 1 block 0          inside (a return site, or the head of an irreducible part) is dissolved: its
//       br_table entry -> 0 2          head becomes an entry, and its back edges go through the dispatch.
//     end 0 ... loop 1 ... end ...

export interface Graph {
  /** Successors by block. */
  readonly successors: readonly (readonly number[])[];
}
/** A block, or a loop with its head first. */
export type Item = number | { readonly head: number; readonly items: readonly Item[] };
export interface Order { readonly items: readonly Item[]; readonly entries: readonly number[] }

interface Numbering { readonly order: number[]; readonly index: Int32Array; readonly dominator: Int32Array }

/** Reverse postorder from the entries, and immediate dominators (-1: an entry, dominated by nothing). */
function number(graph: Graph, entries: readonly number[]): Numbering {
  const n = graph.successors.length, index = new Int32Array(n).fill(-1), post: number[] = [], seen = new Uint8Array(n);
  for (const entry of [...entries].reverse()) {
    if (seen[entry]) continue;
    const stack = [entry], next = [0];
    seen[entry] = 1;
    while (stack.length > 0) {
      const node = stack[stack.length - 1]!, list = graph.successors[node]!, k = next[next.length - 1]!;
      if (k < list.length) {
        next[next.length - 1] = k + 1;
        const to = list[list.length - 1 - k]!;
        if (!seen[to]) { seen[to] = 1; stack.push(to); next.push(0); }
      } else { post.push(node); stack.pop(); next.pop(); }
    }
  }
  const order = post.reverse();
  order.forEach((node, i) => { index[node] = i; });
  const predecessors: number[][] = Array.from({ length: n }, () => []);
  for (const node of order) for (const to of graph.successors[node]!) predecessors[to]!.push(node);
  const ROOT = -1, UNKNOWN = -2, dominator = new Int32Array(n).fill(UNKNOWN), isEntry = new Uint8Array(n);
  for (const e of entries) { dominator[e] = ROOT; isEntry[e] = 1; }
  const meet = (a: number, b: number): number => {
    while (a !== b) {
      if (a === ROOT || b === ROOT) return ROOT;
      if (index[a]! > index[b]!) a = dominator[a]!;
      else b = dominator[b]!;
    }
    return a;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (const node of order) {
      if (isEntry[node]) continue;
      let d = UNKNOWN;
      for (const p of predecessors[node]!) if (dominator[p] !== UNKNOWN) d = d === UNKNOWN ? p : meet(d, p);
      if (d !== dominator[node]) { dominator[node] = d; changed = true; }
    }
  }
  return { order, index, dominator };
}

interface Loop { readonly head: number; readonly body: Set<number> }

export function arrange(graph: Graph, given: readonly number[]): Order {
  const entries = [...given];
  for (;;) {
    const numbering = number(graph, entries), { order, index, dominator } = numbering;
    const dominates = (a: number, b: number): boolean => {
      for (let d = b; d >= 0; d = dominator[d]!) if (d === a) return true;
      return false;
    };
    const loops = new Map<number, Loop>(), known = new Set(entries);
    let added = false;
    for (const node of order)
      for (const to of graph.successors[node]!) {
        if (index[to]! > index[node]!) continue;
        if (!dominates(to, node)) {
          if (!known.has(to)) { known.add(to); entries.push(to); added = true; }
          continue;
        }
        const loop = loops.get(to) ?? { head: to, body: new Set([to]) };
        loops.set(to, loop);
        const work = [node];
        while (work.length > 0) {
          const at = work.pop()!;
          if (loop.body.has(at)) continue;
          loop.body.add(at);
          for (const p of order) if (graph.successors[p]!.includes(at)) work.push(p);
        }
      }
    if (added) continue;
    for (const { head, body } of loops.values()) {
      if ([...body].some((b) => b !== head && known.has(b))) {
        loops.delete(head);
        if (!known.has(head)) { entries.push(head); added = true; }
      }
    }
    if (added) continue;
    return { items: nest(order, [...loops.values()]), entries };
  }
}
/** Put each loop where its head stands. */
function nest(order: readonly number[], loops: readonly Loop[]): Item[] {
  const sorted = [...loops].sort((a, b) => a.body.size - b.body.size);
  const inside = (nodes: readonly number[], outer: Loop | undefined): Item[] => {
    const items: Item[] = [], done = new Set<number>();
    for (const node of nodes) {
      if (done.has(node)) continue;
      const loop = [...sorted].reverse().find((l) => l !== outer && l.head === node && (!outer || l.body.size < outer.body.size));
      if (!loop) { items.push(node); continue; }
      const members = nodes.filter((m) => loop.body.has(m));
      for (const m of members) done.add(m);
      items.push({ head: node, items: inside(members, loop) });
    }
    return items;
  };
  return inside(order, undefined);
}
