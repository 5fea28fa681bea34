/** A row and its parts as bytes: "Instruction Format" in the SDM gives their order. */
import type { Bits } from "../decode.ts";
import type { Row } from "../row.ts";
import { type Address, encodeAddress } from "./address.ts";
import { AssembleError } from "./error.ts";
import { type Context, fits, type Parts } from "./match.ts";

const SEGMENT_BYTES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];

function little(out: number[], value: bigint, size: number): void {
  for (let i = 0; i < size; i++) out.push(Number((value >> BigInt(8 * i)) & 0xffn));
}

/** REX byte for the parts, 0 when none is needed, -1 when one is needed and cannot be. */
function rexOf(row: Row, size: number, p: Parts, address: Address | undefined, bits: Bits): number {
  const w = bits === 64 && size === 8 && !row.attributes.has("f64") && !row.attributes.has("d64");
  const b = (p.rm?.number ?? 0) > 7 || p.plus > 7 ? 1 : 0;
  const rex = (w ? 8 : 0) | (p.reg > 7 ? 4 : 0) | b | (address?.rex ?? 0);
  if (rex === 0 && !p.needsRex) return 0;
  return bits !== 64 || p.high ? -1 : 0x40 | rex;
}

/** Bytes of the row with these parts, or undefined when the mode cannot express them. */
export function emit(row: Row, size: number, p: Parts, c: Context): number[] | undefined {
  const { bits, line } = c.instruction;
  const out: number[] = [];
  const m = p.memory;
  const relative =
    m !== undefined &&
    (m.relative === "rel" || (m.relative === "" && c.instruction.relative && m.segment < 4));
  const address = m && p.offsetSize === 0 ? encodeAddress(m, m.value, bits, relative, line) : undefined;
  if (m && m.segment >= 0) out.push(SEGMENT_BYTES[m.segment] ?? 0);
  const asz =
    row.names.length > 1 && row.attributes.has("asz")
      ? row.names.findIndex((n) => n.toLowerCase() === c.name.text)
      : -1;
  const addressSize =
    address?.addressSize ?? (p.offsetSize !== 0 ? p.offsetSize : asz >= 0 ? 2 << asz : bits / 8);
  if (bits === 64 ? addressSize === 2 : addressSize === 8) return undefined;
  const natural = bits === 64 ? (size === 8 ? 8 : 4) : bits / 8;
  const prefixed = row.prefix === "NP" || row.prefix === "66" || (bits === 64 && row.attributes.has("f64"));
  if (!prefixed && size !== natural && c.wanted === 0) out.push(0x66);
  if (addressSize !== bits / 8 || c.otherAddressSize) out.push(0x67);
  if (row.prefix !== "" && row.prefix !== "NP") out.push(Number.parseInt(row.prefix, 16));
  const rex = rexOf(row, size, p, address, bits);
  if (rex < 0) return undefined;
  if (rex > 0) out.push(rex);
  if (row.map > 0) out.push(0x0f);
  if (row.map > 1) out.push(row.map === 2 ? 0x38 : 0x3a);
  out.push(row.opcode | (row.plusR ? p.plus & 7 : 0));
  let relativeAt = -1;
  if (row.modrm) {
    const reg = row.digit >= 0 ? row.digit : p.reg & 7;
    if (address) {
      out.push((address.mod << 6) | (reg << 3) | address.rm);
      if (address.sib >= 0) out.push(address.sib);
      if (address.ripRelative) relativeAt = out.length;
      if (address.displacementSize > 0 && c.final) checkDisplacement(address, line);
      little(out, address.displacement, address.displacementSize);
    } else out.push(0xc0 | (reg << 3) | (row.rm >= 0 ? row.rm : (p.rm?.number ?? 0) & 7));
  }
  if (m && p.offsetSize > 0) little(out, m.value.value, p.offsetSize);
  const total = out.length + p.immediates.reduce((n, i) => n + i.size, 0);
  const end = c.scope.here + BigInt(c.lead + total);
  for (const i of p.immediates) {
    if (!i.relative) {
      little(out, i.value, i.size);
      continue;
    }
    const distance = i.value - end;
    if (i.size === 1 && i.known && (distance < -128n || distance > 127n)) {
      if (
        /^j/.test(c.name.text) &&
        row.opcode !== 0xe3 &&
        !c.instruction.operands.some((o) => o.kind === "immediate" && o.distance === "short")
      ) {
        c.instruction.long = true;
        return undefined;
      }
      if (c.final)
        throw new AssembleError(
          line,
          `the target is ${distance} bytes away`,
          "a short jump reaches -128 to 127",
        );
    }
    little(out, distance, i.size);
  }
  if (relativeAt >= 0 && address) {
    const patch: number[] = [];
    little(patch, address.displacement - end, 4);
    out.splice(relativeAt, 4, ...patch);
  }
  return out;
}

function checkDisplacement(a: Address, line: number): void {
  // Addresses wrap at the address size.
  if (a.displacementSize >= a.addressSize || a.ripRelative) return;
  if (fits(a.displacement, a.displacementSize, a.displacementSize === 4)) return;
  throw new AssembleError(
    line,
    `displacement ${a.displacement} does not fit ${8 * a.displacementSize} bits`,
    "use a register",
  );
}
