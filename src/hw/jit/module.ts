// A module of translated regions: functions r0, r1, ... over the core's memory, which may call callCase().
import { Emitter } from "./emitter.ts";
import { I32 } from "./opcodes.ts";
import { GLOBALS } from "./splice.ts";
import { PARAMS } from "./translate.ts";

const text = (out: Emitter, name: string): void => {
  out.unsigned(name.length);
  for (let i = 0; i < name.length; i++) out.op(name.charCodeAt(i));
};
function section(out: Emitter, id: number, fill: (body: Emitter) => void): void {
  const body = new Emitter([]);
  fill(body);
  out.op(id);
  out.unsigned(body.n);
  out.copy(body.bytes, 0, body.n);
}
const type = (out: Emitter, params: readonly number[]): void => {
  out.op(0x60);
  out.unsigned(params.length);
  for (const p of params) out.op(p);
  out.unsigned(1);
  out.op(I32);
};

/** @param bodies locals and code of each function */
export function assemble(bodies: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Emitter([]);
  for (const byte of [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) out.op(byte);
  section(out, 1, (s) => { s.unsigned(2); type(s, PARAMS); type(s, [I32, I32, I32, I32]); });
  section(out, 2, (s) => {
    s.unsigned(2 + GLOBALS.length);
    text(s, "env"); text(s, "callCase"); s.op(0); s.unsigned(1);
    text(s, "env"); text(s, "memory"); s.op(2); s.op(0); s.unsigned(1);
    for (const { name, type } of GLOBALS) { text(s, "env"); text(s, name); s.op(3); s.op(type); s.op(1); }
  });
  section(out, 3, (s) => { s.unsigned(bodies.length); for (const _ of bodies) s.unsigned(0); });
  section(out, 7, (s) => {
    s.unsigned(bodies.length);
    bodies.forEach((_, i) => { text(s, `r${i}`); s.op(0); s.unsigned(i + 1); });
  });
  section(out, 10, (s) => {
    s.unsigned(bodies.length);
    for (const body of bodies) { s.unsigned(body.length); s.copy(body, 0, body.length); }
  });
  return out.bytes.slice(0, out.n);
}
