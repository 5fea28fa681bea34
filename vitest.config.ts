import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["{src,tools,workers,labs,guests,bench,bin}/**/*.test.{ts,tsx,mjs}"],
    exclude: ["**/node_modules/**", "guests/cache/**", "build/**", "dist/**"],
    environment: "node",
    passWithNoTests: false,
    // A bound on failure, not a promise of speed: the machine may be busy.
    testTimeout: 60_000,
  },
});
