/** Names of the tables by paging mode and level. */
export const levelNames: Readonly<Record<string, readonly string[]>> = {
  "4-level": ["", "PT", "PD", "PDPT", "PML4"], PAE: ["", "PT", "PD", "PDPT"], "2-level": ["", "PT", "PD"], off: [],
};
export const eptLevelNames: readonly string[] = ["", "PT", "PD", "PDPT", "PML4"];

/** Where the guest's walk begins (CR3). */
export function rootOf(mode: string, cr3: bigint): bigint {
  return cr3 & (mode === "PAE" ? 0xffffffe0n : mode === "2-level" ? 0xfffff000n : 0x000ffffffffff000n);
}
