import type { Cost, LabCase, Place, Predictions } from "../../../vmm/public.ts";

/** One row as it is being filled in; an empty text is no answer yet. */
export interface DraftRow {
  readonly references: string;
  readonly exits: string;
  readonly emulated: boolean;
  readonly fault: boolean;
}

/** By place and case. */
export type Draft = ReadonlyMap<string, DraftRow>;

const blank: DraftRow = { references: "", exits: "", emulated: false, fault: false };
const keyOf = (place: Place, id: string): string => `${place}.${id}`;

export const empty = (): Draft => new Map();
export const rowOf = (draft: Draft, place: Place, id: string): DraftRow => draft.get(keyOf(place, id)) ?? blank;
export const withRow = (draft: Draft, place: Place, id: string, change: Partial<DraftRow>): Draft =>
  new Map(draft).set(keyOf(place, id), { ...rowOf(draft, place, id), ...change });

const isCount = (text: string): boolean => /^\d{1,6}$/.test(text);

/** Has every row of every place its two numbers? */
export const complete = (draft: Draft, cases: readonly LabCase[]): boolean =>
  (["bare", "ept"] as const).every((place) => cases.every(({ id }) => isCount(rowOf(draft, place, id).references) && isCount(rowOf(draft, place, id).exits)));

export function predictionsOf(draft: Draft, cases: readonly LabCase[]): Predictions {
  const at = (place: Place): Record<string, Cost> =>
    Object.fromEntries(cases.map(({ id }) => {
      const { references, exits, emulated, fault } = rowOf(draft, place, id);
      return [id, { references: Number(references), exits: Number(exits), emulated, fault }];
    }));
  return { bare: at("bare"), ept: at("ept") };
}
