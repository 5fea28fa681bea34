// The thread beside the machine's that makes modules of hot guest code (src/hw/jit). It rests after each job twice as long as
// the job has taken: the page needs a core, too, where there are only two.
import { serve } from "../src/hw/index.ts";

const answer = serve();
type Message = Parameters<typeof answer>[0];
const waiting: Message[] = [];
let resting = false;

function work(): void {
  resting = false;
  const message = waiting.shift();
  if (!message) return;
  const started = performance.now();
  const product = answer(message);
  if (product) self.postMessage(product);
  resting = true;
  setTimeout(work, 2 * (performance.now() - started));
}
self.addEventListener("message", ({ data }: MessageEvent<Message>) => {
  waiting.push(data);
  if (!resting) work();
});
