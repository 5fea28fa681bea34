// The thread beside the machine's that makes modules of hot guest code (src/hw/jit).
import { parentPort } from "node:worker_threads";
import { serve } from "../src/hw/index.ts";

const answer = serve();
parentPort?.on("message", (message: Parameters<typeof answer>[0]) => {
  const product = answer(message);
  if (product) parentPort?.postMessage(product);
});
