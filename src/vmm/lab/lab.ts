import { VitrineError } from "../../base/index.ts";

/** What one instruction cost, or what a student says it will. */
export interface Cost {
  /** Paging-structure entries read, of the guest's tables and of EPT. */
  readonly references: number;
  /** VM exits. */
  readonly exits: number;
  /** The hypervisor executed the instruction in the guest's stead. */
  readonly emulated: boolean;
  /** The guest got a page fault. */
  readonly fault: boolean;
}

/** Where the guest runs: on the bare machine, or under KVM with EPT. */
export type Place = "bare" | "ept";

export const places: readonly Place[] = ["bare", "ept"];

/** One measured instruction: from the label `from` of the guest to its end. */
export interface LabCase {
  readonly id: string;
  readonly text: string;
  readonly from: string;
}

export interface Lab {
  readonly id: string;
  readonly title: string;
  readonly text: readonly string[];
  /** Label of the guest's page-fault handler, whose first instruction is a NOP. */
  readonly faultLabel: string;
  /** Instructions the guest may take between two cases. */
  readonly budget: number;
  readonly cases: readonly LabCase[];
  /** The right answers, by place and case. */
  readonly answers: Predictions;
}

export type Predictions = { readonly [place in Place]: { readonly [id: string]: Cost } };

/** A lab file or a prediction that cannot be used. */
export class LabError extends VitrineError {
  constructor(object: string, value: string, cure: string) {
    super("lab", object, value, cure);
    this.name = "LabError";
  }
}

type Json = { readonly [key: string]: unknown };

const isRecord = (v: unknown): v is Json => typeof v === "object" && v !== null && !Array.isArray(v);

function parseCost(v: unknown, where: string): Cost {
  const bad = () =>
    new LabError(where, JSON.stringify(v) ?? "nothing", "give references, exits, emulated and fault");
  if (!isRecord(v)) throw bad();
  const { references, exits, emulated, fault } = v;
  const count = (n: unknown): n is number => Number.isInteger(n) && (n as number) >= 0;
  if (!count(references) || !count(exits) || typeof emulated !== "boolean" || typeof fault !== "boolean")
    throw bad();
  return { references, exits, emulated, fault };
}

/** Checks predictions, a student's or the lab's own answers, for every case and place. */
export function parsePredictions(v: unknown, cases: readonly LabCase[], where: string): Predictions {
  const at = (place: Place) => {
    const given = isRecord(v) ? v[place] : undefined;
    return Object.fromEntries(
      cases.map(({ id }) => [
        id,
        parseCost(isRecord(given) ? given[id] : undefined, `${where}: ${place}.${id}`),
      ]),
    );
  };
  return { bare: at("bare"), ept: at("ept") };
}

/** Checks a lab file. */
export function parseLab(v: unknown): Lab {
  const bad = (key: string) =>
    new LabError("lab file", `${key} is missing or wrong`, "compare labs/five-movs/lab.json");
  if (!isRecord(v)) throw bad("everything");
  const string = (from: Json, key: string): string => {
    const s = from[key];
    if (typeof s !== "string") throw bad(key);
    return s;
  };
  const { text, budget, cases } = v;
  if (!Array.isArray(text) || !text.every((t) => typeof t === "string")) throw bad("text");
  if (typeof budget !== "number") throw bad("budget");
  if (!Array.isArray(cases) || !cases.every(isRecord)) throw bad("cases");
  const list = cases.map((c) => ({ id: string(c, "id"), text: string(c, "text"), from: string(c, "from") }));
  return {
    id: string(v, "id"),
    title: string(v, "title"),
    text,
    budget,
    faultLabel: string(v, "faultLabel"),
    cases: list,
    answers: parsePredictions(v.answers, list, "answers"),
  };
}
