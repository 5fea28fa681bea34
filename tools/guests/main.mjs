// npm run guests [--if-missing]: fetches the Linux guests and the firmware into guests/cache/.
import { runTool, say, ToolError } from "../lib/say.mjs";
import { fetchGuests, guestsPresent } from "./fetch.mjs";

await runTool(async () => {
  if (process.argv.includes("--if-missing") && guestsPresent()) return;
  const missing = await fetchGuests();
  if (missing !== undefined) throw new ToolError(missing);
  say("guests: linux-amd64, linux-i386 and seabios are in guests/cache/");
});
