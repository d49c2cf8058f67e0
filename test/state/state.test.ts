/** State tests that the generator wrote, replayed; and that a wrong expectation is told. */
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { CONTRACTS, SENDERS } from "../../execution/testing/world.ts";
import { runFolder } from "./folder.ts";
import { generateStateTests, type Plan, stateTest } from "./generate.ts";

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "state-tests-"));
  await generateStateTests(folder, 2, 5);
}, 60_000);

const newFolder = () => mkdtempSync(join(tmpdir(), "state-tests-"));

test("the executor and ethereumjs's VM over our state come to what stock ethereumjs came to", async () => {
  const { own, vm, failures, unknownForks, unreadable } = await runFolder(folder);
  expect([failures, unreadable, unknownForks.size]).toEqual([[], [], 0]);
  expect(own).toBeGreaterThan(30);
  expect(vm).toBeGreaterThan(30);
});

test("a transfer of nothing to an empty account deletes it, since EIP-158", async () => {
  const nothing = new Uint8Array(0);
  const transfer: Plan = {
    codes: CONTRACTS.map(() => nothing),
    type: 0,
    to: SENDERS[1],
    data: [nothing, nothing],
    gasLimit: [50_000n, 21_000n],
    value: [0n, 1n],
    nonce: 0n,
    slots: [],
  };
  const one = newFolder();
  writeFileSync(join(one, "empty.json"), JSON.stringify({ empty: await stateTest(transfer) }));
  expect((await runFolder(one)).failures).toEqual([]);
});

interface File {
  [name: string]: { post: Record<string, { hash: string; logs: string; expectException?: string }[]> };
}

test("each kind of wrong expectation fails, and says by whom, where and what", async () => {
  const [file] = readdirSync(folder);
  const text = readFileSync(join(folder, file!), "utf8");
  const failuresOf = async (change: (expected: File[string]["post"][string][number]) => void) => {
    const tests: File = JSON.parse(text);
    for (const fork of ["Prague", "London"]) change(Object.values(tests)[0]!.post[fork]![0]!);
    const changed = newFolder();
    writeFileSync(join(changed, file!), JSON.stringify(tests));
    return (await runFolder(changed, new Set(["Prague", "London"]))).failures;
  };
  const zeros = `0x${"0".repeat(64)}`;
  const root = await failuresOf((expected) => {
    expected.hash = zeros;
  });
  expect(root).toHaveLength(2);
  expect(root[0]).toMatch(/^random_2_0\.json: random_2_0 on London \(data 0, gas 0, value 0, vm\): state root is 0x/);
  expect(root[1]).toMatch(/on Prague .*own\): state root is 0x/);
  const logs = await failuresOf((expected) => {
    expected.logs = zeros;
  });
  expect(logs.every((failure) => /logs hash to 0x/.test(failure))).toBe(true);
  const refusal = await failuresOf((expected) => {
    if (expected.expectException === undefined) expected.expectException = "anything";
    else delete expected.expectException;
  });
  expect(refusal.every((failure) => /refused/.test(failure))).toBe(true);
  expect([logs.length, refusal.length]).toEqual([2, 2]);
});

test("forks that are not known are counted, files that hold no tests are named", async () => {
  const other = newFolder();
  writeFileSync(join(other, "nothing.json"), JSON.stringify({ one: { pre: {} } }));
  const [file] = readdirSync(folder);
  const tests: File = JSON.parse(readFileSync(join(folder, file!), "utf8"));
  for (const one of Object.values(tests)) one.post = { Verkle: one.post.Prague! };
  writeFileSync(join(other, "verkle.json"), JSON.stringify(tests));
  const { own, vm, unknownForks, unreadable } = await runFolder(other);
  expect([own, vm, unknownForks.get("Verkle")]).toEqual([0, 0, 4]);
  expect(unreadable).toEqual(["nothing.json: one is no state test: it needs env, pre, transaction and post"]);
});
