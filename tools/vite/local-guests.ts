// Serves guests/cache/ under `guests/` while a local server runs. Never part of dist/: kernels and firmware of
// others are not ours to publish, so a static host offers the embedded guests and what the user drops in.
import { createReadStream, existsSync, realpathSync, statSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";

const CACHE = fileURLToPath(new URL("../../guests/cache", import.meta.url));
const OFFERED = /^(manifest\.json|(linux-amd64|linux-i386|seabios)\/[\w.-]+)$/;

function serve(request: IncomingMessage, response: ServerResponse, next: () => void): void {
  if (request.method !== "GET" && request.method !== "HEAD") {
    next();
    return;
  }
  const name = (request.url ?? "").replace(/^\/+/, "").replace(/\?.*$/, "");
  // Asked for by every page: that there is nothing is no error.
  if (name === "manifest.json" && !existsSync(join(CACHE, name))) {
    response.setHeader("Content-Type", "application/json");
    response.end('{"files":{}}');
    return;
  }
  try {
    if (!OFFERED.test(name)) throw new Error("not offered");
    const path = realpathSync(join(CACHE, name));
    if (!path.startsWith(realpathSync(CACHE) + sep)) throw new Error("outside the cache");
    response.setHeader("Content-Length", statSync(path).size);
    response.setHeader(
      "Content-Type",
      name.endsWith(".json") ? "application/json" : "application/octet-stream",
    );
    createReadStream(path).pipe(response);
  } catch {
    // An answer of our own: the server's fallback would hand out index.html as a kernel.
    response.statusCode = 404;
    response.end();
  }
}

/** The plugin for both the development server and the preview of the built page. */
export function localGuests(): Plugin {
  return {
    name: "vitrine-local-guests",
    configureServer: (server) => void server.middlewares.use("/guests", serve),
    configurePreviewServer: (server) => void server.middlewares.use("/guests", serve),
  };
}
