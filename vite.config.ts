import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { localGuests } from "./tools/vite/local-guests.ts";

// Cross-origin isolation gives SharedArrayBuffer; the page must work without it, too.
const headers = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

export default defineConfig({
  // Relative addresses: any static host can serve dist/ under any path.
  base: "./",
  plugins: [react(), localGuests()],
  assetsInclude: ["**/*.wasm"],
  worker: { format: "es" },
  server: { headers, watch: { ignored: ["**/guests/cache/**", "**/test-results/**"] } },
  preview: { headers },
  build: { target: "es2022", sourcemap: true, assetsInlineLimit: 0 },
});
