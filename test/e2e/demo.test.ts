/** The story of the README: real text in, lineage and rewards out, on a real node, twice on one chain. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Devnet, type Exit, runScript, startDevnet, temporaryDirectory } from "../helpers/devnet-process.ts";

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

it("without a node it says so and ends with exit 1", async () => {
  const { code, output } = await runScript("demo/main.ts", ["--rpc", "http://127.0.0.1:1"]);
  expect(code).toBe(1);
  expect(output).toBe("demo: no node answers at http://127.0.0.1:1; start one with npm start\n");
});
