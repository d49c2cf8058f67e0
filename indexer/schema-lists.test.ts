import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bytesToHex } from "../core/bytes.ts";
import { type Asker, type Data, openAsker } from "./testing/ask.ts";
import { type FakeChain, testAddress, testHash } from "./testing/fake-chain.ts";
import { bridgedChain } from "./testing/histories.ts";
import { BOND } from "./testing/ledger.ts";
import { freshIndex } from "./testing/rows.ts";
import { STORES } from "./testing/stores.ts";

describe.each(STORES)("$name", ({ newLocation }) => {
  let asker: Asker;
  let chain: FakeChain;

  beforeAll(async () => {
    ({ chain } = bridgedChain());
    const location = await newLocation();
    await freshIndex(chain, location);
    asker = openAsker(location);
  });
  afterAll(() => asker.close());

  const ids = async (list: string): Promise<string> => {
    const { found } = await asker.data(`{ found: ${list} { totalCount nodes { id } } }`);
    expect(found.nodes.length).toBe(found.totalCount);
    return found.nodes.map(({ id }: { id: string }) => id).join();
  };

  test.each([
    ["contributions(where: {size_gte: 1003, size_lt: 1006})", "3,4,5"],
    ["contributions(where: {size: 1003})", "3"],
    ["contributions(where: {size_gt: 1006, block_lte: 3})", "7"],
    ["contributions(where: {status_not: ACCEPTED})", "5,6,7,8"],
    ["contributions(where: {status_in: [REJECTED, DUPLICATE]})", "5,6"],
    ["contributions(where: {status_in: []})", ""],
    ["contributions(where: {status: null})", "1,2,3,4,5,6,7,8"],
    ['contributions(datanet: 1, where: {licence: "MIT", id_in: [1, 4, 8]})', "1,8"],
    ["contributions(where: {duplicateOf_not: 1})", "1,2,3,4,6,7,8"],
    ["contributions(where: {score_gte: 9000, withdrawnBlock_gte: 0})", "1,2"],
    [`contributions(where: {contributor_not: "${testAddress(2)}"})`, "1,3,4,7,8"],
    ['datanets(where: {name: "Datanet 2"})', "2"],
    ['datanets(where: {name: "a\\u0000"})', ""],
    ["models(where: {parent: 1, kind: FINE_TUNE})", "2"],
    ["models(where: {parent_not: 1})", "1"],
    ['inferences(where: {state_in: [SETTLED, VOID], fee_gt: "1000000000"})', "1,3"],
    ["inferences(where: {coveredBytes_gte: 100})", "1"],
    ["outputs", "1,3"],
    ["faults", "3"],
    ["inferences(where: {fault: OMISSION})", "3"],
    ["batches(where: {id: 3})", "3"],
    ["rewards(where: {contribution: 1, time_lt: 1700000011})", "10-0"],
    ["rewards(where: {time_gte: 1700000010, time_lte: 1700000010, kind: HOST})", "10-4"],
    ["rewards(where: {time_gt: 1700000010, kind: LEFT_OUT})", "15-3"],
    ["rewards(where: {time_in: [1700000010, 5], kind_in: [ROYALTY]})", "10-5"],
    ["rewards(where: {time_gte: 99999999999999})", ""],
    ["blocks(where: {timestamp_gte: 1700000003, timestamp_lt: 1700000005})", "3,4"],
    [`hosts(where: {account: "${testAddress(4)}", active: true})`, "7-5"],
    ["grants(where: {allowed: false})", "1-3"],
  ])("%s", async (list, expected) => {
    expect(await ids(list)).toBe(expected);
  });

  test("orders by an amount, in pages, forwards and backwards", async () => {
    const lists = [
      `contributions(datanet: 1, orderBy: EARNED, orderDirection: DESC`,
      `contributions(where: {datanet: 1}, orderBy: EARNED, orderDirection: ASC`,
      `contributions(contributor: "${testAddress(2)}", orderBy: SIZE, orderDirection: DESC`,
      `rewards(inference: 1, orderBy: AMOUNT, orderDirection: DESC`,
      `rewards(where: {inference: 3}, orderBy: AMOUNT, order: NEWEST`,
      `inferences(model: 2, orderBy: FEE`,
      `contributions(order: NEWEST`,
    ];
    for (const list of lists) {
      const fields = `nodes { id } edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }`;
      const page = async (args: string) => (await asker.data(`{ page: ${list}, ${args}) { ${fields} } }`)).page;
      const whole = (await page("first: 100")).nodes;
      expect(whole.length).toBeGreaterThan(1);
      const forwards: unknown[] = [];
      for (let cursor = "", more = true; more; ) {
        const { nodes, pageInfo } = await page(`first: 2${cursor}`);
        expect(pageInfo.hasPreviousPage).toBe(cursor !== "");
        forwards.push(...nodes);
        cursor = `, after: "${pageInfo.endCursor}"`;
        more = pageInfo.hasNextPage;
      }
      expect(forwards).toEqual(whole);
      const backwards: unknown[] = [];
      for (let cursor = "", more = true; more; ) {
        const { nodes, pageInfo } = await page(`last: 2${cursor}`);
        expect(pageInfo.hasNextPage).toBe(cursor !== "");
        backwards.unshift(...nodes);
        cursor = `, before: "${pageInfo.startCursor}"`;
        more = pageInfo.hasPreviousPage;
      }
      expect(backwards).toEqual(whole);
    }
    const { earned, rewards } = await asker.data(`{
      earned: contributions(datanet: 1, orderBy: EARNED, orderDirection: DESC) { nodes { earned } }
      rewards(inference: 1, orderBy: AMOUNT) { nodes { amount } }
    }`);
    const falling = earned.nodes.map((node: { earned: string }) => BigInt(node.earned));
    expect(falling).toEqual(falling.toSorted((a: bigint, b: bigint) => (a > b ? -1 : a < b ? 1 : 0)));
    const rising = rewards.nodes.map((node: { amount: string }) => BigInt(node.amount));
    expect(rising).toEqual(rising.toSorted((a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0)));
  });

  test.each([
    [
      "{ contributions(orderBy: EARNED) { totalCount } }",
      "contributions are ordered by EARNED only within one of: datanet, contributor",
    ],
    [
      "{ rewards(orderBy: AMOUNT, kind: HOST) { totalCount } }",
      "rewards are ordered by AMOUNT only within one of: account, inference, contribution",
    ],
    [
      "{ datanets(first: 1, last: 1) { totalCount } }",
      "first and last are two ways through a list: ask for one of them",
    ],
    ["{ datanets(last: 0) { totalCount } }", "last must be 1 to 1000, not 0: page through longer lists with before"],
    [
      `{ contributions(datanet: 1, orderBy: EARNED, after: "${btoa("contributions:1")}") { totalCount } }`,
      "is not a cursor of this list",
    ],
    [`{ contributions(after: "${btoa("contributions.EARNED:5:1")}") { totalCount } }`, "is not a cursor of this list"],
    [
      `{ contributions(datanet: 1, orderBy: EARNED, after: "${btoa(`contributions.EARNED:${2n ** 256n}:1`)}") { totalCount } }`,
      "is not a cursor of this list",
    ],
    [
      `{ contributions(datanet: 1, orderBy: EARNED, after: "${btoa("contributions.EARNED:-5:1")}") { totalCount } }`,
      "is not a cursor of this list",
    ],
    ['{ contributions(where: {licence: "BSD"}) { totalCount } }', "licence must be one of NONE, CC0-1.0, MIT"],
    ['{ contributions(where: {id_in: ["x"]}) { totalCount } }', 'id_in must be a positive integer, not "x"'],
    [
      `{ contributions(where: {id_in: [${"1,".repeat(101)}]}) { totalCount } }`,
      "id_in has 101 values, the limit is 100",
    ],
    [
      "{ rewards(where: {time_gte: 1.5}) { totalCount } }",
      "Timestamp must be a whole number of seconds since 1970, not 1.5",
    ],
    ['{ node(id: "modle:3") { id } }', '"modle:3" is no nodeId: it is a kind and an id, as in model:3'],
    ['{ node(id: "model:x") { id } }', 'id must be a positive integer, not "x"'],
    ['{ node(id: "reward:1") { id } }', '"1" is not the id of a Reward'],
    ['{ node(id: "constructor:1") { id } }', "is no nodeId"],
  ])("%s is refused", async (query, message) => {
    expect(await asker.failure(query)).toContain(message);
  });

  test("everything in a list has a nodeId that finds it again", async () => {
    const lists =
      "blocks datanets versions grants commitments contributions contributionEvents bondMovements models hosts inferences batches demands auditors rewards claims stakes deposits withdrawals validatorSets";
    for (const list of lists.split(" ")) {
      const { found } = await asker.data(`{ found: ${list}(first: 3) { nodes { __typename id nodeId } } }`);
      expect(found.nodes.length, list).toBeGreaterThan(0);
      const asked = found.nodes.map(({ nodeId }: { nodeId: string }) => nodeId);
      const { nodes } = await asker.data("query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id nodeId } }", {
        ids: asked,
      });
      expect(nodes).toEqual(found.nodes);
    }
    const account = `account:${testAddress(1)}`;
    expect(
      await asker.data(
        `{ node(id: "${account}") { nodeId ... on Account { claimed } } none: node(id: "output:99") { id } both: nodes(ids: ["model:1", "reward:9-9"]) { id } }`,
      ),
    ).toMatchObject({ node: { nodeId: account }, none: null, both: [{ id: "1" }, null] });
  });

  test("what crosses the bridge, the stakes, the bonds, the demands", async () => {
    const answer = await asker.data(`{
      deposits { nodes { block { number } transactionIndex sender { address } recipient { address } mint value succeeded sourceHash } }
      failed: deposits(where: {succeeded: false}) { totalCount }
      withdrawals(where: {sender: "${testAddress(1)}"}) { nodes { nonce target value gasLimit withdrawalHash } }
      validatorSets { nodes { number setHash count totalStake } }
      slashed: stakes(where: {kind: SLASHED}) { nodes { host { address } amount total } }
      forfeited: bondMovements(where: {forfeited: true}) { nodes { contribution { id } contributor { address } amount } }
      shown: demands(where: {state: SHOWN}) { nodes { inference { id } chunk } }
      auditors { nodes { inference { id } auditor { address } allowed } }
      commitments(where: {datanet: 2}) { nodes { contributor { address } commitment } }
      account(address: "${testAddress(1)}") { deposits { totalCount } withdrawals { totalCount } stakes { totalCount } }
      host: account(address: "${testAddress(4)}") { stakes { nodes { kind } } hostings { nodes { model { id } } } }
    }`);
    const deposit = { block: { number: "18" }, sender: { address: testAddress(5) } };
    expect(answer).toMatchObject({
      deposits: {
        nodes: [
          {
            ...deposit,
            transactionIndex: 0,
            recipient: { address: testAddress(1) },
            mint: String(2n ** 100n),
            value: "7",
            succeeded: true,
          },
          {
            ...deposit,
            transactionIndex: 1,
            recipient: null,
            mint: "3",
            succeeded: false,
            sourceHash: bytesToHex(chain.blocks[18]!.transactions[1]!.hash),
          },
        ],
      },
      failed: { totalCount: 1 },
      withdrawals: {
        nodes: [
          {
            nonce: String(2n ** 240n),
            target: testAddress(5),
            value: "11",
            gasLimit: "100000",
            withdrawalHash: testHash("withdrawal"),
          },
        ],
      },
      validatorSets: { nodes: [{ number: "1", setHash: testHash("set 1"), count: 4, totalStake: String(4n * BOND) }] },
      slashed: { nodes: [{ host: { address: testAddress(4) }, total: "5" }] },
      forfeited: { nodes: [{ contribution: { id: "6" }, contributor: null, amount: String(BOND) }] },
      shown: { nodes: [{ inference: { id: "3" }, chunk: "0" }] },
      auditors: { nodes: [{ inference: { id: "3" }, auditor: { address: testAddress(6) }, allowed: true }] },
      commitments: { nodes: [{ contributor: { address: testAddress(1) }, commitment: testHash("c 4") }] },
      account: { deposits: { totalCount: 1 }, withdrawals: { totalCount: 1 }, stakes: { totalCount: 0 } },
      host: {
        stakes: { nodes: [{ kind: "DEPOSITED" }, { kind: "SLASHED" }] },
        hostings: { nodes: [{ model: { id: "2" } }] },
      },
    });
  });

  test("who earned most is the same from the rollups and from each reward", async () => {
    const fields = "{ account { address } amount count }";
    const { all, each, data, eachData, none, earned } = await asker.data(`{
      all: topContributors ${fields} each: topContributors(from: 0) ${fields}
      data: topContributors(datanet: 1) ${fields} eachData: topContributors(datanet: 1, from: 0) ${fields}
      none: topContributors(datanet: 2) ${fields}
      earned: contributions(datanet: 1, orderBy: EARNED, orderDirection: DESC, first: 3) { nodes { contributor { address } earned } }
    }`);
    expect(each).toEqual(all);
    expect(eachData).toEqual(data);
    expect(data).toEqual(
      earned.nodes.map(({ contributor, earned: amount }: Data) => ({ account: contributor, amount, count: 1 })),
    );
    expect(all).toEqual(data);
    expect(none).toEqual([]);
  });

  test("search finds by all words, the last by its beginning, in one order", async () => {
    const found = async (text: string, more = "") => {
      const { search } = await asker.data(
        `query ($text: String!) { search(text: $text${more}) { truncated nodes { __typename ... on Node { nodeId } } } }`,
        { text },
      );
      const names = search.nodes.map(({ nodeId }: { nodeId: string }) => nodeId).join();
      return `${names}${search.truncated ? "..." : ""}`;
    };
    expect(await found("Datanet 2")).toBe("datanet:2");
    expect(await found("DATAN")).toBe("datanet:1,datanet:2");
    expect(await found("soft")).toBe("datanet:1,datanet:2");
    expect(await found("soft", ", first: 1")).toBe("datanet:1...");
    expect(await found("model soft")).toBe("");
    expect(await found("2 model")).toBe("model:2");
    expect(await found("1")).toBe("model:1,datanet:1");
    expect(await found("1", ", kinds: [DATANET]")).toBe("datanet:1");
    expect(await found("ol")).toBe([1, 2, 3, 4, 5, 6, 7, 8].map((id) => `contribution:${id}`).join());
    expect(await found(testHash("content 3").slice(0, 12))).toBe("contribution:3");
    expect(await found("%")).toBe("");
    expect(await found("")).toBe("");
  });
});
