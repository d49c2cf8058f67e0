import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";

/** Takes longer to stop than signals that are one may lie apart, and ends once its launcher is gone. */
const PROGRAM = `
import { signalled } from ${JSON.stringify(new URL("./signals.ts", import.meta.url).href)};
const ending = signalled({ info() {} });
process.once("disconnect", () => process.exit(0));
console.log("running");
await ending;
setTimeout(() => console.log("late"), 500);
`;

test("a launcher that ends after it passed on a signal does not cut short how the program stops", async () => {
  const child = spawn(process.execPath, ["--input-type=module", "-e", PROGRAM], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  const exited = once(child, "exit");
  await once(child.stdout!, "data");
  child.kill("SIGTERM");
  await once(child.stdout!, "data");
  child.disconnect();
  expect(await exited).toEqual([0, null]);
});
