import {
  type Aml,
  and,
  arg0,
  configFields,
  createWordField,
  device,
  dwordMemory,
  eisaId,
  findSetRight,
  integer,
  ioPorts,
  irqs,
  local0,
  memory32Fixed,
  method,
  name,
  or,
  packageOf,
  path,
  resources,
  returns,
  scope,
  shiftLeft,
  store,
  subtract,
  when,
  wordBusNumbers,
  wordIo,
} from "./aml.ts";

const links = ["LNKA", "LNKB", "LNKC", "LNKD"] as const;
const routes = ["PRQ0", "PRQ1", "PRQ2", "PRQ3"] as const;
/** Interrupts a PCI link may use: 5, 10, 11. */
const linkChoices = 0x0c20;

/** An interrupt link over one PIRQ route register: bit 7 off, bits 3-0 the interrupt. */
function link(n: string, uid: number, register: string): Aml {
  return device(
    n,
    name("_HID", eisaId("PNP0C0F")),
    name("_UID", integer(uid)),
    // Level, active high as the PIIX3 delivers it, shared.
    name("_PRS", resources(irqs(linkChoices, 0x18))),
    method(
      "_STA",
      0,
      false,
      when(and(path(register), integer(0x80)), returns(integer(9))),
      returns(integer(0x0b)),
    ),
    method("_DIS", 0, false, store(or(path(register), integer(0x80)), path(register))),
    method(
      "_CRS",
      0,
      true,
      name("BUFF", resources(irqs(0, 0x18))),
      createWordField(path("BUFF"), 1, "IRQW"),
      when(
        [0x92, ...and(path(register), integer(0x80))],
        shiftLeft(integer(1), and(path(register), integer(15)), path("IRQW")),
      ),
      returns(path("BUFF")),
    ),
    method(
      "_SRS",
      1,
      true,
      createWordField(arg0, 1, "IRQS"),
      findSetRight(path("IRQS"), local0),
      when(local0, subtract(local0, integer(1), path(register))),
    ),
  );
}

/** Interrupt routing: pin p of device d goes to link (d - 1 + p) mod 4. */
function routing(): Aml {
  const entries: Aml[] = [];
  for (let d = 0; d < 32; d++) {
    for (let pin = 0; pin < 4; pin++) {
      const target = links[(d + 3 + pin) & 3] ?? "LNKA";
      entries.push(packageOf(integer(d * 0x10000 + 0xffff), integer(pin), path(target), integer(0)));
    }
  }
  return name("_PRT", packageOf(...entries));
}

function isa(n: string, id: string, ...crs: Aml[]): Aml {
  return device(n, name("_HID", eisaId(id)), name("_CRS", resources(...crs)));
}

/** The body of the DSDT: one PCI root with its ISA bridge, legacy devices, interrupt links, and \_S5. */
export function dsdtBody(ramSize: number): Uint8Array {
  const hole = Math.max(ramSize, 0x10000000);
  const aml: Aml = [
    ...scope(
      "\\_SB",
      device(
        "PCI0",
        name("_HID", eisaId("PNP0A03")),
        name("_UID", integer(0)),
        name(
          "_CRS",
          resources(
            wordBusNumbers(0, 255),
            ioPorts(0xcf8, 8),
            wordIo(0, 0xcf7),
            wordIo(0xd00, 0xffff),
            dwordMemory(0xa0000, 0xbffff, true),
            dwordMemory(hole, 0xfebfffff, false),
          ),
        ),
        routing(),
        device(
          "ISA",
          name("_ADR", integer(0x10000)),
          configFields("PIRQ", 0x60, routes),
          isa("RTC", "PNP0B00", ioPorts(0x70, 2), irqs(1 << 8)),
          isa("TMR", "PNP0100", ioPorts(0x40, 4), irqs(1)),
          isa("KBD", "PNP0303", ioPorts(0x60, 1), ioPorts(0x64, 1), irqs(1 << 1)),
          isa("MOU", "PNP0F13", irqs(1 << 12)),
          device(
            "COM1",
            name("_HID", eisaId("PNP0501")),
            name("_UID", integer(1)),
            name("_CRS", resources(ioPorts(0x3f8, 8), irqs(1 << 4))),
          ),
        ),
      ),
      device(
        "HPET",
        name("_HID", eisaId("PNP0103")),
        name("_UID", integer(0)),
        name("_CRS", resources(memory32Fixed(0xfed00000, 0x400))),
      ),
      ...links.map((n, i) => linkIn(n, i)),
    ),
    ...name("\\_S5", packageOf(integer(0), integer(0), integer(0), integer(0))),
  ];
  return Uint8Array.from(aml);
}

function linkIn(n: string, i: number): Aml {
  return link(n, i, `\\_SB.PCI0.ISA.${routes[i] ?? "PRQ0"}`);
}
