/** The story of the README: real text in, lineage and rewards out, on a real node, twice on one chain; and the proof. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Lie, startLyingProxy } from "../../node/lineage-cli/testing/lying-proxy.ts";
import {
  type Devnet,
  type Exit,
  runHere,
  runScript,
  startDevnet,
  temporaryDirectory,
} from "../helpers/devnet-process.ts";

const directory = temporaryDirectory();
let node: Devnet;

beforeAll(async () => {
  node = await startDevnet(directory.path);
});
afterAll(async () => {
  await node.stop();
  directory.remove();
});

const demo = (): Promise<Exit> =>
  runScript("demo/main.ts", [
    ...["--rpc", node.rpcUrl, "--graphql", node.graphqlUrl],
    ...["--content", node.contentUrl, "--host", node.hostUrl],
  ]);

// The second run meets contributions, accounts and a stake that are already there.
it.each(["first", "second"])("the demo's %s run ends with exit 0 and no failed check", async () => {
  const { code, output } = await demo();
  expect(output).not.toMatch(/FAIL/);
  expect(output).toMatch(/DuplicateContent\(/);
  expect(output).toMatch(/rejected openledger\/README\.md/);
  const [, holding, all] = /(\d+) of (\d+) checks hold/.exec(output) ?? [];
  expect({ code, holding }).toEqual({ code: 0, holding: all });
});

describe("openledger lineage --verify of what the demo settled", () => {
  const lineage = (graphqlUrl: string, rpcUrl: string) =>
    runHere([
      ...["lineage", "--output", "1", "--graphql.url", graphqlUrl, "--verify", rpcUrl],
      ...["--datadir", directory.path, "--content.url", node.contentUrl],
    ]);

  it("proves it, and shows a server that lies", async () => {
    const { code, output } = await lineage(node.graphqlUrl, node.rpcUrl);
    expect(output).toMatch(/\nall \d+ checks hold\n$/);
    expect(code).toBe(0);

    const proxies = [await startLyingProxy(node.graphqlUrl), await startLyingProxy(node.rpcUrl)] as const;
    const [graphql, rpc] = proxies;
    graphql.lie = ((answer: { data: { lineage: { root: { rewards: { amount: string }[] } } } }) => {
      answer.data.lineage.root.rewards[0]!.amount = "1";
      return answer;
    }) as Lie;
    rpc.lie = ((answer: { result: { receipts?: string } }) => {
      if (answer.result.receipts !== undefined) answer.result.receipts = answer.result.receipts.replace(/.$/, "1");
      return answer;
    }) as Lie;
    try {
      const underpaid = await lineage(graphql.url, node.rpcUrl);
      expect(underpaid.output).toMatch(
        /\nFAILED payments: GraphQL says CONTRIBUTOR 1 wei to 0x.*, the chain accrued CONTRIBUTOR \d+ wei/,
      );
      expect(underpaid.code).toBe(1);
      const forged = await lineage(node.graphqlUrl, rpc.url);
      expect(forged.output).toMatch(/\nFAILED inference: the receipts of block \d+: /);
      expect(forged.code).toBe(1);
    } finally {
      for (const proxy of proxies) proxy.close();
    }
  });
});

it("without a node it says so and ends with exit 1", async () => {
  const { code, output } = await runScript("demo/main.ts", ["--rpc", "http://127.0.0.1:1"]);
  expect(code).toBe(1);
  expect(output).toBe("demo: no node answers at http://127.0.0.1:1; start one with npm start\n");
});
