import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Random } from "../sim/random.ts";
import { fuzz } from "./rpc.ts";
import { checkAnswer } from "./rpc-check.ts";
import { METHODS } from "./rpc-methods.ts";
import { RequestMaker } from "./rpc-requests.ts";

const makerOf = (seed: number) =>
  new RequestMaker(new Random(seed), {
    accounts: [`0x${"1".repeat(40)}`],
    hashes: [`0x${"2".repeat(64)}`],
    chainId: 1n,
    head: () => 7,
  });

describe("requests of JSON-RPC", () => {
  it("the same seed gives the same ones", () => {
    const [first, second] = [makerOf(7), makerOf(7)].map((maker) => Array.from({ length: 100 }, () => maker.next()));
    expect(first).toEqual(second);
  });

  it("every method that the node documents is asked, and every bomb is thrown", () => {
    const documented =
      /## Methods\n([\s\S]*?)Everything else/.exec(readFileSync("node/rpc/README.md", "utf8"))?.[1] ?? "";
    const names = [...documented.matchAll(/`((?:eth|net|web3|txpool|debug|admin|rpc|openledger)_\w+)`/g)].map(
      ([, name]) => name,
    );
    expect(names.length).toBeGreaterThan(60);
    expect(names.filter((name) => !Object.hasOwn(METHODS, name!))).toEqual([]);
    const maker = makerOf(3);
    const asked = Array.from({ length: 3_000 }, () => maker.call().method);
    expect(Object.keys(METHODS).filter((name) => !asked.includes(name))).toEqual([]);
  });
});

describe("answers", () => {
  const expected = { id: 1 };
  const problem = (answer: unknown): string | undefined => checkAnswer(JSON.stringify(answer), { expected }).problem;
  const refusal = (code: number, message: string) => ({ jsonrpc: "2.0", id: 1, error: { code, message } });

  it("of the right form are good", () => {
    expect(problem({ jsonrpc: "2.0", id: 1, result: null })).toBeUndefined();
    expect(problem(refusal(-32602, "invalid argument 0"))).toBeUndefined();
    expect(problem({ ...refusal(-32600, "invalid request"), id: null })).toBeUndefined();
    expect(checkAnswer("[]", { expected: { ids: [] } }).problem).toBeUndefined();
  });

  it("that are wrong in any way are not", () => {
    expect(problem({ jsonrpc: "2.0", id: 2, result: 1 })).toMatch(/another id/);
    expect(problem({ id: 1, result: 1 })).toMatch(/without version/);
    expect(problem({ jsonrpc: "2.0", id: 1 })).toMatch(/either a result or an error/);
    expect(problem(refusal(-32603, "internal error"))).toMatch(/code -32603/);
    expect(problem(refusal(-1, "x"))).toMatch(/code -1/);
    expect(problem(refusal(-32000, "Error: x\n    at run (node/chain.ts:12:3)"))).toMatch(/tells of the program/);
    expect(checkAnswer("", { expected }).problem).toBe("no answer");
    expect(checkAnswer("<html>", { expected }).problem).toMatch(/not JSON/);
    expect(checkAnswer('{"jsonrpc":"2.0","id":1,"result":1}', { expected: "refusal" }).problem).toMatch(/refusal/);
    const [one] = [{ jsonrpc: "2.0", id: 1, result: 1 }];
    expect(checkAnswer(JSON.stringify([one]), { expected: { ids: [1, 2] } }).problem).toMatch(/other ids/);
  });

  it("200 of a real node: none is wrong, blocks keep coming", { timeout: 120_000 }, async () => {
    const { lines, surprises } = await fuzz({ count: 200, seed: 5 });
    expect(surprises).toEqual([]);
    // How long they take here says nothing.
    const missed = lines
      .filter(({ unit, goal }) => unit !== "ms" && goal?.isMet === false)
      .map(({ name, value }) => `${name} ${value}`);
    expect(missed).toEqual([]);
  });
});
