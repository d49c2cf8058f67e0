import { expect, it } from "vitest";
import { Gate } from "./gate.ts";

it("a gate runs so many, lets so many wait, turns the rest away, and goes on after a failure", async () => {
  const gate = new Gate(2, 1);
  const finish: (() => void)[] = [];
  const task = () => new Promise<string>((resolve) => finish.push(() => resolve("done")));
  const running = [gate.run(task), gate.run(task)];
  const waiting = gate.run(() => Promise.reject(new Error("failed")));
  expect(await gate.run(task)).toBeUndefined();
  expect(finish).toHaveLength(2);
  for (const end of finish) end();
  expect(await Promise.all(running)).toEqual(["done", "done"]);
  await expect(waiting).rejects.toThrow("failed");
  expect(await gate.run(async () => "free")).toBe("free");
});
