// The thread beside the machine's that makes modules of hot guest code (src/hw/jit).
import { serve } from "../src/hw/index.ts";

const answer = serve();
self.addEventListener("message", ({ data }: MessageEvent<Parameters<typeof answer>[0]>) => {
  const product = answer(data);
  if (product) self.postMessage(product);
});
