/** Door of migration. */
export {};
