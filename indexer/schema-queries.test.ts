/** What each type and each list answers, on the standard history. */
import { readFileSync } from "node:fs";
import { buildSchema, printSchema } from "graphql/index.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TREASURY_ADDRESS } from "../core/addresses.ts";
import { bytesToHex } from "../core/bytes.ts";
import { SCHEMA_VERSION } from "./ddl.ts";
import { serializeAddress } from "./scalars.ts";
import { schema } from "./schema.ts";
import { type Asker, type Data, openAsker } from "./testing/ask.ts";
import { type FakeChain, testAddress, testHash } from "./testing/fake-chain.ts";
import { challengedChain, standardChain } from "./testing/histories.ts";
import { BOND, type Ledger } from "./testing/ledger.ts";
import { freshIndex } from "./testing/rows.ts";
import { STORES } from "./testing/stores.ts";

test("the committed SDL is the schema (node indexer/write-sdl.ts writes it)", () => {
  const committed = readFileSync(new URL("./schema.graphql", import.meta.url), "utf8");
  expect(printSchema(buildSchema(committed))).toBe(printSchema(schema));
});

describe.each(STORES)("$name", ({ newLocation }) => {
  let chain: FakeChain;
  let ledger: Ledger;
  let asker: Asker;

  beforeAll(async () => {
    ({ chain, ledger } = standardChain());
    const location = await newLocation();
    await freshIndex(chain, location);
    asker = openAsker(location);
  });
  afterAll(() => asker.close());

  const data: Asker["data"] = (query, variables) => asker.data(query, variables);

  test("_meta names block, deployment and schema version", async () => {
    const { _meta } = await data(
      "{ _meta { block { number hash timestamp parentHash } hasIndexingErrors deployment schemaVersion } }",
    );
    const head = chain.blocks[12];
    expect(_meta).toMatchObject({
      block: {
        number: "12",
        hash: bytesToHex(head!.hash),
        timestamp: 1_700_000_012,
        parentHash: bytesToHex(head!.header.parentHash),
      },
      hasIndexingErrors: false,
      schemaVersion: SCHEMA_VERSION,
    });
    expect(_meta.deployment).toMatch(new RegExp(`^${bytesToHex(chain.blocks[0]!.hash)}-[0-9a-f]{16}$`));
  });

  test("datanets and their versions, grants and contributions", async () => {
    const { datanets, datanet } = await data(`{
        datanets { totalCount nodes { id owner { address } } }
        datanet(id: 1) {
          name domain metadataUri modality licence licenceCode access bond acceptedCount versionCount block { number } tx logIndex
          versions { nodes { version count root datanet { id } } }
          contributions(status: ACCEPTED) { totalCount nodes { id } }
          grants(role: CURATOR) { nodes { role account { address } } }
        }
      }`);
    expect(datanets).toEqual({
      totalCount: 2,
      nodes: [
        { id: "1", owner: { address: testAddress(0) } },
        { id: "2", owner: { address: testAddress(1) } },
      ],
    });
    expect(datanet).toEqual({
      name: "Datanet 1",
      domain: "software",
      metadataUri: "ipfs://datanet",
      modality: "TEXT",
      licence: "Apache-2.0",
      licenceCode: 6,
      access: "OPEN",
      bond: BOND.toString(),
      acceptedCount: 3,
      versionCount: 1,
      block: { number: "1" },
      tx: bytesToHex(chain.blocks[1]!.transactions[0]!.hash),
      logIndex: 0,
      versions: { nodes: [{ version: 1, count: 3, root: testHash("version 1 1"), datanet: { id: "1" } }] },
      contributions: { totalCount: 3, nodes: [{ id: "1" }, { id: "2" }, { id: "3" }] },
      grants: { nodes: [{ role: "CURATOR", account: { address: testAddress(0) } }] },
    });
  });

  test("contributions by Datanet, contributor, status and content root", async () => {
    const query = `query ($datanet: ID, $contributor: Address, $status: ContributionStatus, $contentRoot: Bytes) {
        contributions(datanet: $datanet, contributor: $contributor, status: $status, contentRoot: $contentRoot) {
          totalCount nodes { id }
        }
      }`;
    const ids = async (variables: object): Promise<string> => {
      const { contributions } = await data(query, variables);
      expect(contributions.totalCount).toBe(contributions.nodes.length);
      return contributions.nodes.map(({ id }: { id: string }) => id).join();
    };
    expect(await ids({})).toBe("1,2,3,4,5,6,7");
    expect(await ids({ datanet: 2 })).toBe("4");
    expect(await ids({ contributor: testAddress(2) })).toBe("2,5,6");
    expect(await ids({ contributor: testAddress(2).toLowerCase(), status: "DUPLICATE" })).toBe("5");
    expect(await ids({ contentRoot: testHash("content 3") })).toBe("3");
    expect(await ids({ status: "PENDING" })).toBe("");
  });

  test("a contribution's whole life", async () => {
    const fields = `id status consent contributor { address } licence size reason score leafIndex duplicateOf { id } parents { id } withdrawnUpstream { id }
        curator { address } decidedBlock { number } withdrawnBlock { number } history { status actor { address } block { number } }
        rewardCount earned rewards { nodes { amount inference { id } } }`;
    const answer = await data(`{
        second: contribution(id: 2) { ${fields} } third: contribution(id: 3) { ${fields} }
        fifth: contribution(id: 5) { ${fields} } sixth: contribution(id: 6) { ${fields} }
        seventh: contribution(id: 7) { ${fields} } none: contribution(id: 99) { id }
      }`);
    expect(answer.second).toMatchObject({
      status: "ACCEPTED",
      consent: false,
      licence: "MIT",
      size: "1002",
      score: 9000,
      leafIndex: 1,
      curator: { address: testAddress(0) },
      decidedBlock: { number: "4" },
      withdrawnBlock: { number: "11" },
      history: [
        { status: "PENDING", actor: { address: testAddress(2) }, block: { number: "2" } },
        { status: "ACCEPTED", actor: { address: testAddress(0) }, block: { number: "4" } },
        { status: "WITHDRAWN", actor: { address: testAddress(2) }, block: { number: "11" } },
      ],
      rewardCount: 1,
    });
    expect(answer.second.rewards.nodes).toEqual([{ amount: answer.second.earned, inference: { id: "1" } }]);
    expect(answer.third.parents).toEqual([{ id: "1" }]);
    expect(answer.third.withdrawnUpstream).toEqual([]);
    expect(answer.fifth).toMatchObject({ status: "DUPLICATE", duplicateOf: { id: "1" }, earned: "0" });
    expect(answer.sixth).toMatchObject({ status: "REJECTED", reason: "no licence" });
    expect(answer.seventh).toMatchObject({
      status: "WITHDRAWN",
      consent: false,
      decidedBlock: null,
      withdrawnBlock: { number: "5" },
    });
    expect(answer.third.consent).toBe(true);
    expect(answer.none).toBeNull();
  });

  test("models with their data, parents and hosts", async () => {
    const { models, model } = await data(`{
        models(owner: "${testAddress(2)}") { totalCount }
        model(id: 2) {
          name kind licence requestPrice outputPrice royaltyPpm hostPpm parent { id kind }
          data { version datanet { id } } flattenedData { count datanet { name } }
          hosts(active: true) { nodes { url account { address stake } model { id } } }
          inferences(state: EXPIRED) { nodes { id } }
        }
      }`);
    expect(models.totalCount).toBe(1);
    expect(model).toMatchObject({
      name: "Model 2",
      kind: "FINE_TUNE",
      licence: "Apache-2.0",
      requestPrice: "7001",
      outputPrice: "1000000000000003",
      parent: { id: "1", kind: "BASE" },
      data: [{ version: 1, datanet: { id: "2" } }],
      flattenedData: [{ count: 1, datanet: { name: "Datanet 2" } }],
      hosts: { nodes: [{ account: { address: testAddress(4), stake: BOND.toString() }, model: { id: "2" } }] },
      inferences: { nodes: [{ id: "2" }] },
    });
  });

  test("inferences by state, payer, host and output root", async () => {
    const { settled, mine, foreign, hosted, byRoot, none, inference } = await data(`{
        settled: inferences(state: SETTLED, model: 2) { nodes { id } }
        mine: inferences(payer: "${testAddress(5)}", order: NEWEST) { nodes { id } }
        foreign: inferences(payer: "${testAddress(0)}") { totalCount }
        hosted: inferences(host: "${testAddress(4)}", first: 1) { nodes { id } pageInfo { hasNextPage } }
        byRoot: outputByRoot(root: "${testHash("output 1")}") { id }
        none: outputByRoot(root: "${testHash("nothing")}") { id }
        inference(id: 1) {
          state audience payer { address } host { address } requestBytes outputBytes coveredBytes escrow fee refund minSpan
          settleAfter block { number } committed { block { number } tx } closed { block { number } }
          contributorsPaid modelPaid stakersPaid treasuryPaid
          spans { outputStart length weight contentOffset contribution { id } } rewards { amount kind }
        }
      }`);
    expect(settled.nodes).toEqual([{ id: "1" }]);
    expect(mine.nodes).toEqual([{ id: "3" }, { id: "2" }, { id: "1" }]);
    expect(foreign.totalCount).toBe(0);
    expect(hosted).toEqual({ nodes: [{ id: "1" }], pageInfo: { hasNextPage: true } });
    expect([byRoot, none]).toEqual([{ id: "1" }, null]);
    expect(inference).toMatchObject({
      state: "SETTLED",
      audience: "PUBLIC",
      payer: { address: testAddress(5) },
      host: { address: testAddress(4) },
      minSpan: 16,
      settleAfter: Number.MAX_SAFE_INTEGER,
      block: { number: "8" },
      committed: { block: { number: "9" }, tx: bytesToHex(chain.blocks[9]!.transactions[0]!.hash) },
      closed: { block: { number: "10" } },
      spans: [
        { outputStart: "0", length: 56, weight: "56", contentOffset: "0", contribution: { id: "1" } },
        { length: 41, weight: "38", contribution: { id: "2" } },
        { length: 29, weight: "23", contribution: { id: "3" } },
        { length: 23, weight: "23", contribution: { id: "1" } },
      ],
    });
    const sum = (amounts: string[]): bigint => amounts.reduce((total, amount) => total + BigInt(amount), 0n);
    const { fee, refund, escrow, contributorsPaid, modelPaid, stakersPaid, treasuryPaid } = inference;
    expect(sum([fee, refund])).toBe(BigInt(escrow));
    expect(sum([contributorsPaid, modelPaid, stakersPaid, treasuryPaid])).toBe(BigInt(fee));
    expect(sum(inference.rewards.map(({ amount }: { amount: string }) => amount))).toBe(BigInt(fee));
  });

  test("the lineage of an output: weights, licences, payments, models upstream", async () => {
    const { lineage, none, requested } = await data(`{
        lineage(output: 1) {
          root { id contributorsPaid } truncated asOf { number hash }
          attributions {
            weight weightPpm licence paid contributor { address } datanet { id } contribution { id } spans { length }
            inference { id } reward { kind amount weight }
          }
          nodes { id depth entity { __typename ... on Contribution { uri } ... on Model { name } ... on Datanet { domain } ... on Inference { fee } } }
          edges { from to kind weight weightPpm version block { number } tx }
        }
        none: lineage(output: 99) { truncated }
        requested: lineage(output: 3) { attributions { weight } nodes { id } edges { from } truncated }
      }`);
    // 56 + 23, 38 and 23 of 140: remainders .714, .571, .714 of a millionth, so two of them are rounded up.
    expect(lineage.attributions).toMatchObject([
      {
        weight: "79",
        weightPpm: 564_286,
        contribution: { id: "1" },
        contributor: { address: testAddress(1) },
        licence: "MIT",
      },
      {
        weight: "38",
        weightPpm: 271_428,
        contribution: { id: "2" },
        contributor: { address: testAddress(2) },
        datanet: { id: "1" },
      },
      { weight: "23", weightPpm: 164_286, contribution: { id: "3" }, spans: [{ length: 29 }], inference: { id: "1" } },
    ]);
    const paid = lineage.attributions.map(({ paid, reward }: { paid: string; reward: object }) => {
      expect(reward).toMatchObject({ kind: "CONTRIBUTOR", amount: paid });
      return BigInt(paid);
    });
    expect(paid[0] + paid[1] + paid[2]).toBe(BigInt(lineage.root.contributorsPaid));
    expect(lineage.asOf).toEqual({ number: "12", hash: bytesToHex(chain.blocks[12]!.hash) });
    expect(lineage.truncated).toBe(false);
    expect(lineage.nodes.map(({ id, depth }: { id: string; depth: number }) => `${id}@${depth}`)).toEqual([
      "output:1@0",
      "model:2@1",
      "contribution:1@1",
      "contribution:2@1",
      "contribution:3@1",
      "datanet:1@2",
      "model:1@2",
      "datanet:2@2",
    ]);
    expect(lineage.nodes[1].entity).toEqual({ __typename: "Model", name: "Model 2" });
    expect(lineage.nodes[2].entity).toMatchObject({ __typename: "Contribution" });
    const edges = lineage.edges.map((edge: Record<string, unknown>) =>
      `${edge.from} ${edge.kind} ${edge.to} ${edge.weightPpm ?? edge.version ?? ""}`.trim(),
    );
    expect(edges.toSorted()).toEqual(
      [
        "output:1 GENERATED_BY model:2",
        "output:1 ATTRIBUTED_TO contribution:1 564286",
        "output:1 ATTRIBUTED_TO contribution:2 271428",
        "output:1 ATTRIBUTED_TO contribution:3 164286",
        "contribution:1 PART_OF datanet:1",
        "contribution:2 PART_OF datanet:1",
        "contribution:3 PART_OF datanet:1",
        "contribution:3 DERIVED_FROM contribution:1",
        "model:2 DERIVED_FROM model:1",
        "model:2 TRAINED_ON datanet:2 1",
        "model:1 TRAINED_ON datanet:1 1",
      ].toSorted(),
    );
    expect(none).toBeNull();
    expect(requested).toEqual({ attributions: [], nodes: [{ id: "output:3" }], edges: [], truncated: false });
  });

  test("bounds cut the lineage and say so; shares stay those of the whole output", async () => {
    const { shallow, few } = await data(`{
        shallow: lineage(output: 1, maxDepth: 1) { truncated nodes { id } }
        few: lineage(output: 1, maxNodes: 3) { truncated nodes { id } edges { to weightPpm } }
      }`);
    expect(shallow.truncated).toBe(true);
    expect(shallow.nodes).toHaveLength(5);
    expect(few.truncated).toBe(true);
    expect(few.nodes.map(({ id }: { id: string }) => id)).toEqual(["output:1", "model:2", "contribution:1"]);
    expect(few.edges).toContainEqual({ to: "contribution:1", weightPpm: 564_286 });
  });

  test("a contributor's contributions, rewards and totals", async () => {
    const { contributor, account, nobody } = await data(`{
        contributor(address: "${testAddress(1)}") {
          address accrued claimed claimable rewardCount rewardTotals { kind amount count }
          contributions { totalCount } rewards { nodes { id amount kind weight contribution { id } model { id } tx } }
          claims { nodes { amount caller { address } account { address } block { number } } } datanets { nodes { id } }
        }
        account(address: "${testAddress(2)}") { claimable accrued models { nodes { id } } rewards(kind: MODEL_OWNER) { nodes { model { id } } } }
        nobody: account(address: "0x00000000000000000000000000000000000000aa") { accrued rewardTotals { amount } rewards { totalCount } }
      }`);
    const [reward] = contributor.rewards.nodes;
    expect(reward).toMatchObject({ kind: "CONTRIBUTOR", weight: "79", contribution: { id: "1" }, model: null });
    expect(contributor).toMatchObject({
      address: testAddress(1),
      accrued: reward.amount,
      claimed: reward.amount,
      claimable: "0",
      rewardCount: 1,
      rewardTotals: [{ kind: "CONTRIBUTOR", amount: reward.amount, count: 1 }],
      contributions: { totalCount: 2 },
      claims: { nodes: [{ amount: reward.amount, caller: { address: testAddress(5) }, block: { number: "11" } }] },
      datanets: { nodes: [{ id: "2" }] },
    });
    expect(account.claimable).toBe(account.accrued);
    expect(BigInt(account.accrued)).toBe(ledger.accrued.get(testAddress(2)));
    expect(account.rewards.nodes).toEqual([{ model: { id: "2" } }]);
    expect(nobody).toEqual({ accrued: "0", rewardTotals: [], rewards: { totalCount: 0 } });
  });

  test("rewards by account, inference and kind", async () => {
    const { all, treasury, kinds } = await data(`{
        all: rewards(inference: 1) { totalCount nodes { kind inference { id } account { address } } }
        treasury: rewards(account: "${serializeAddress(TREASURY_ADDRESS)}", kind: TREASURY) { totalCount }
        kinds: rewards(kind: ROYALTY) { nodes { model { id } account { address } } }
      }`);
    expect(all.nodes.map(({ kind }: { kind: string }) => kind)).toEqual([
      "CONTRIBUTOR",
      "CONTRIBUTOR",
      "CONTRIBUTOR",
      "MODEL_OWNER",
      "HOST",
      "ROYALTY",
      "STAKERS",
      "TREASURY",
    ]);
    expect(treasury.totalCount).toBe(1);
    expect(kinds.nodes).toEqual([{ model: { id: "1" }, account: { address: testAddress(0) } }]);
  });

  test("an answer that was found wrong: fault, challenger, what was slashed and to whom, demands, its batch", async () => {
    const location = await newLocation();
    await freshIndex(challengedChain().chain, location);
    const other = openAsker(location);
    const { inferences, contribution } = await other.data(`{
      inferences(state: VOID) { nodes {
        id fault challenger { address } faultContribution { id } slashed refund escrow batch { id count root } batchIndex
        demands { contribution { id } chunk demander { address } bond state } rewards { kind amount contribution { id } model { id } }
      } }
      contribution(id: 8) { consent withdrawnUpstream { id } }
    }`);
    await other.close();
    const { nodes } = inferences;
    expect(contribution).toEqual({ consent: true, withdrawnUpstream: [{ id: "1" }] });
    const [{ slashed, rewards, ...found }] = nodes;
    const about = { contribution: { id: "1" }, demander: { address: testAddress(6) }, bond: "500" };
    expect(found).toMatchObject({
      id: "3",
      fault: "OMISSION",
      challenger: { address: testAddress(6) },
      faultContribution: { id: "1" },
      refund: found.escrow,
      batch: { id: "3", count: 1, root: testHash("batch 3") },
      batchIndex: 0,
      demands: [
        { ...about, chunk: "0", state: "SHOWN" },
        { ...about, chunk: "1", state: "RETURNED" },
      ],
    });
    expect(
      rewards.map(({ kind, contribution, model }: Record<string, unknown>) => [kind, contribution, model]),
    ).toEqual([
      ["TREASURY", null, null],
      ["LEFT_OUT", { id: "1" }, null],
      ["CHALLENGER", null, null],
    ]);
    const sum = rewards.reduce((total: bigint, { amount }: { amount: string }) => total + BigInt(amount), 0n);
    expect(sum).toBe(BigInt(slashed));
  });

  describe("paging", () => {
    test.each([
      ["contributions", 1, "OLDEST"],
      ["contributions", 4, "NEWEST"],
      ["rewards", 3, "OLDEST"],
      ["rewards", 1, "NEWEST"],
      ["inferences", 2, "NEWEST"],
      ["datanets", 1, "OLDEST"],
    ])("%s in pages of %i, %s first: every row exactly once", async (list, first, order) => {
      const whole = await data(`{ ${list}(first: 1000, order: ${order}) { totalCount nodes { id } } }`);
      const seen: string[] = [];
      let after: string | null = null;
      for (let more = true; more; ) {
        const page: Data = await data(
          `query ($after: String) { ${list}(first: ${first}, order: ${order}, after: $after) {
            edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`,
          { after },
        );
        const { edges, pageInfo } = page[list];
        expect(pageInfo.hasPreviousPage).toBe(after !== null);
        expect(pageInfo.startCursor).toBe(edges[0].cursor);
        seen.push(...edges.map(({ node }: { node: { id: string } }) => node.id));
        after = pageInfo.endCursor;
        more = pageInfo.hasNextPage;
      }
      expect(seen).toEqual(whole[list].nodes.map(({ id }: { id: string }) => id));
      expect(seen).toHaveLength(whole[list].totalCount);
    });

    test("a page of none has no cursors", async () => {
      const { contributions } = await data(
        "{ contributions(status: PENDING) { nodes { id } pageInfo { hasNextPage startCursor endCursor } } }",
      );
      expect(contributions).toEqual({
        nodes: [],
        pageInfo: { hasNextPage: false, startCursor: null, endCursor: null },
      });
    });
  });

  describe("bad input gets one clear line", () => {
    const cursor = (text: string): string => Buffer.from(text).toString("base64url");
    // The first example of EIP-55 with its last letter raised.
    const wrongChecksum = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD";

    test.each([
      ["{ datanets(first: 0) { totalCount } }", "first must be 1 to 1000, not 0: page through longer lists with after"],
      [
        "{ datanets(first: 1001) { totalCount } }",
        "first must be 1 to 1000, not 1001: page through longer lists with after",
      ],
      [
        '{ datanets(after: "rubbish") { totalCount } }',
        '"rubbish" is not a cursor of this list: pass endCursor of the page before',
      ],
      [`{ datanets(after: "${cursor("rewards:1:2")}") { totalCount } }`, "is not a cursor of this list"],
      [`{ rewards(after: "${cursor("rewards:1")}") { totalCount } }`, "is not a cursor of this list"],
      [`{ rewards(after: "${cursor("rewards:1:9999999999999999")}") { totalCount } }`, "is not a cursor of this list"],
      ["{ datanet(id: 0) { id } }", 'id must be a positive integer, not "0"'],
      ['{ datanet(id: "1e3") { id } }', 'id must be a positive integer, not "1e3"'],
      ['{ contributions(datanet: "x") { totalCount } }', 'datanet must be a positive integer, not "x"'],
      ["{ lineage(output: 1, maxDepth: 65) { truncated } }", "maxDepth must be 1 to 64, not 65"],
      ["{ lineage(output: 1, maxNodes: 0) { truncated } }", "maxNodes must be 1 to 5000, not 0"],
      ['{ account(address: "0x12") { accrued } }', 'Address must be 20 bytes of hex with 0x before it, not "0x12"'],
      [`{ account(address: "${wrongChecksum}") { accrued } }`, "has a bad checksum"],
      ['{ outputByRoot(root: "0xabc") { id } }', 'Bytes must be hex of whole bytes with 0x before it, not "0xabc"'],
      ["{ contributions(status: LOST) { totalCount } }", 'Value "LOST" does not exist in "ContributionStatus" enum.'],
      ["{ nothing }", 'Cannot query field "nothing" on type "Query".'],
      ["{ datanets {", "Syntax Error: Expected Name, found <EOF>."],
    ])("%s", async (query, message) => {
      expect(await asker.failure(query)).toContain(message);
    });
  });
});
