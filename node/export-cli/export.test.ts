import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { createContentServer } from "../../attribution/content-server.ts";
import { ContentStore } from "../../attribution/content-store.ts";
import { createLineageClient } from "../../client/lineage.js";
import { type LiveIndex, liveIndex } from "../../client/testing/live-index.ts";
import { scriptedServer } from "../../client/testing/scripted-server.ts";
import { openLineageEvents } from "../../indexer/exports/openlineage.ts";
import { FakeChain, testAddress, testHash } from "../../indexer/testing/fake-chain.ts";
import { chainOf, challengedChain } from "../../indexer/testing/histories.ts";
import { Ledger } from "../../indexer/testing/ledger.ts";
import { runExport } from "./cli.ts";
import { Gatherer } from "./gather.ts";
import { postEvents } from "./post.ts";
import { croissantRules, cycloneDxRules, openLineageRules, provRules, type Rules } from "./testing/rules.ts";

// biome-ignore lint/suspicious/noExplicitAny: documents are JSON, which the assertions check.
type Json = any;

let index: LiveIndex;
let folder: string;
const [owner, alice, bob, carol, host, payer] = [0, 1, 2, 3, 4, 5].map(testAddress) as `0x${string}`[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "export-"));
  // Outputs 1: settled, 2: expired, 3: void; nothing more is requested.
  index = await liveIndex(challengedChain());
});
afterAll(async () => {
  await index.close();
  rmSync(folder, { recursive: true, force: true });
});

async function run(args: readonly string[], url = index.url): Promise<string> {
  const out = join(folder, "out");
  expect(await runExport([...args, "--graphql.url", url, "--out", out])).toBe(0);
  return readFileSync(out, "utf8");
}

const ndjson = (text: string): Json[] =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

/** Every document without one of its parts. */
function* mutilated(document: Json): Generator<Json> {
  for (const name of Object.keys(document))
    yield Object.fromEntries(Object.entries(document).filter(([n]) => n !== name));
}

/** What somebody wrote to standard error meanwhile. */
async function warnings(work: () => Promise<unknown>): Promise<string> {
  const spy = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  try {
    await work();
    return spy.mock.calls.map(([text]) => String(text)).join("");
  } finally {
    spy.mockRestore();
  }
}

describe("OpenLineage", () => {
  test("a run for everything that was made, from contributions to the output", async () => {
    const events = ndjson(await run(["openlineage", "--output", "1"]));
    expect(openLineageRules(events)).toEqual([]);
    const edges = new Set(
      events.flatMap(({ inputs, outputs }) =>
        inputs.flatMap((from: Json) => outputs.map((to: Json) => `${from.name} -> ${to.name}`)),
      ),
    );
    expect([...edges].sort()).toEqual([
      "contribution:1 -> contribution:3",
      "contribution:1 -> datanet:1",
      "contribution:1 -> output:1",
      "contribution:2 -> datanet:1",
      "contribution:2 -> output:1",
      "contribution:3 -> datanet:1",
      "contribution:3 -> output:1",
      "datanet:1 -> model:1",
      "datanet:2 -> model:2",
      "model:1 -> model:2",
      "model:2 -> output:1",
    ]);
    // No run uses what a later one made.
    const made = new Map(events.filter((e) => e.eventType === "COMPLETE").map((e, i) => [e.outputs[0].name, i]));
    for (const [i, event] of events.filter((e) => e.eventType === "COMPLETE").entries()) {
      for (const { name } of event.inputs) expect(made.get(name) ?? -1).toBeLessThan(i);
    }
  });

  test("weights and payments are those of the record", async () => {
    const events = ndjson(await run(["openlineage", "--output", "1"]));
    const end = events.find(({ job, eventType }) => job.name === "inference.model:2" && eventType === "COMPLETE");
    const facets = end.inputs
      .map((input: Json) => input.inputFacets.openledger_edge)
      .filter((it: Json) => "paid" in it);
    const { root } = await gathered(1);
    expect(facets.map(({ weight, paid }: Json) => [weight, paid])).toEqual(
      root.attributions.map(({ weight, paid }) => [weight, paid]),
    );
    expect(facets.reduce((sum: number, { weightPpm }: Json) => sum + weightPpm, 0)).toBe(1_000_000);
    const training = events.find(({ job }) => job.name === "training.model:2");
    expect(training.inputs.find(({ name }: Json) => name === "datanet:2").facets.version.datasetVersion).toBe("1");
  });

  test.each([
    [2, ["START", "ABORT"]],
    [3, ["START", "FAIL"]],
  ])("output %i ends as it did", async (id, types) => {
    const events = ndjson(await run(["openlineage", "--output", String(id)]));
    expect(openLineageRules(events)).toEqual([]);
    const runs = events.filter(({ job }) => job.name === "inference.model:2");
    expect(runs.map(({ eventType }) => eventType)).toEqual(types);
  });

  test("a request without an output has only begun", async () => {
    const events = ndjson(await run(["openlineage", "--output", "1", "--block", "8"]));
    expect(openLineageRules(events)).toEqual([]);
    expect(events.filter(({ job }) => job.name === "inference.model:2").map((e) => e.eventType)).toEqual(["START"]);
  });

  test("the same again, whenever and of whichever block; another chain has other names", async () => {
    const first = await run(["openlineage", "--output", "1"]);
    index.chain.append();
    expect(await run(["openlineage", "--output", "1"])).toBe(first);
    const lineage = await gathered(1);
    const of = (deployment: string) => openLineageEvents(lineage, { deployment, programVersion: "1" });
    const ids = (deployment: string): string[] => of(deployment).map(({ run }) => run.runId);
    expect(ids("0xaa-1")).toEqual(ids("0xaa-2"));
    expect(new Set([...ids("0xaa-1"), ...ids("0xbb-1")]).size).toBe(2 * new Set(ids("0xaa-1")).size);
  });

  test("the rules find what is missing", async () => {
    const events = ndjson(await run(["openlineage", "--output", "1"]));
    const [first, ...others] = events;
    for (const part of ["eventTime", "producer", "schemaURL", "run", "job"]) {
      const { [part]: _, ...without } = first;
      expect(openLineageRules([without, ...others]), part).not.toEqual([]);
    }
    expect(openLineageRules(others)).not.toEqual([]);
    expect(openLineageRules([...events, events.at(-1)])).not.toEqual([]);
  });
});

describe("PROV-JSON", () => {
  test("what was derived, generated, used, and whose it was", async () => {
    const document = JSON.parse(await run(["prov", "--output", "1"]));
    expect(provRules(document)).toEqual([]);
    const derived = Object.values(document.wasDerivedFrom).map(
      (it: Json) => `${it["prov:generatedEntity"]} <- ${it["prov:usedEntity"]}`,
    );
    expect(derived.sort()).toEqual([
      "ol:contribution/3 <- ol:contribution/1",
      "ol:model/1 <- ol:datanet/1",
      "ol:model/2 <- ol:datanet/2",
      "ol:model/2 <- ol:model/1",
      "ol:output/1 <- ol:contribution/1",
      "ol:output/1 <- ol:contribution/2",
      "ol:output/1 <- ol:contribution/3",
    ]);
    expect(Object.values(document.used)).toMatchObject([{ "prov:entity": "ol:model/2" }]);
    const agents = Object.values(document.wasAssociatedWith).map((it: Json) => [it["prov:role"], it["prov:agent"]]);
    expect(agents).toEqual([
      ["host", `ol:account/${host}`],
      ["payer", `ol:account/${payer}`],
    ]);
    const { "prov:startTime": start, "prov:endTime": end } = document.activity["ol:inference/1"];
    expect([start, end]).toEqual(["2023-11-14T22:13:28.000Z", "2023-11-14T22:13:29.000Z"]);
    for (const who of [owner, alice, bob, carol]) expect(document.agent).toHaveProperty([`ol:account/${who}`]);
  });

  test("an output that never came was not generated", async () => {
    const document = JSON.parse(await run(["prov", "--output", "2"]));
    expect(provRules(document)).toEqual([]);
    expect(document.wasGeneratedBy).toBeUndefined();
  });

  test("the rules find what is missing", async () => {
    const document = JSON.parse(await run(["prov", "--output", "1"]));
    for (const map of ["entity", "activity", "agent", "prefix"]) {
      const { [map]: _, ...without } = document;
      expect(provRules(without), map).not.toEqual([]);
    }
    expect(provRules({ ...document, made: {} })).not.toEqual([]);
  });
});

describe("CycloneDX", () => {
  test("a model with its ancestors and data is valid by the published schema", async () => {
    const bom = JSON.parse(await run(["cyclonedx", "--model", "2"]));
    expect(cycloneDxRules(bom)).toEqual([]);
    expect(bom.metadata.component).toMatchObject({ name: "Model 2", licenses: [{ license: { id: "Apache-2.0" } }] });
    expect(bom.components.map((it: Json) => it["bom-ref"])).toEqual(["model:1", "datanet:2@1", "datanet:1@1"]);
    expect(bom.dependencies.slice(0, 2)).toEqual([
      { ref: "model:2", dependsOn: ["model:1", "datanet:2@1"] },
      { ref: "model:1", dependsOn: ["datanet:1@1"] },
    ]);
    for (const without of mutilated(bom.metadata.component)) {
      if (!("type" in without) || !("name" in without) || !("bom-ref" in without)) {
        expect(cycloneDxRules({ ...bom, metadata: { ...bom.metadata, component: without } })).not.toEqual([]);
      }
    }
    expect(cycloneDxRules({ ...bom, bomFormat: "SPDX" })).not.toEqual([]);
    const licensed = { ...bom.components[0], licenses: [{ license: { id: "Apache-3.0" } }] };
    expect(cycloneDxRules({ ...bom, components: [licensed, ...bom.components.slice(1)] })).not.toEqual([]);
    expect(cycloneDxRules({ ...bom, components: bom.components.slice(1) })).not.toEqual([]);
  });
});

describe("Croissant", () => {
  test("a version's files and records, in the order of its leaves", async () => {
    let document: Json;
    const said = await warnings(async () => {
      document = JSON.parse(await run(["croissant", "--datanet", "1"]));
    });
    expect(croissantRules(document)).toEqual([]);
    expect(document).toMatchObject({
      name: "Datanet 1",
      license: "https://spdx.org/licenses/Apache-2.0.html",
      version: "1.1.0",
      datePublished: "2023-11-14T22:13:26.000Z",
      identifier: testHash("version 1 1"),
      creator: { name: owner },
    });
    expect(document.recordSet[0].data.map((record: Json) => record["contributions/contributor"])).toEqual([
      alice,
      bob,
      carol,
    ]);
    expect(document.distribution[0]).toMatchObject({
      contentUrl: `ol://${testHash("content 1")}`,
      contentSize: "1001 B",
    });
    expect(said).toBe(
      "3 of 3 files are without sha256, which readers of Croissant may want: --content.url names a store that has them\n",
    );
    for (const without of mutilated(document)) {
      const optional = ["@id", "dateCreated", "version", "isLiveDataset", "keywords", "identifier", "recordSet"];
      if (optional.every((name) => name in without)) expect(croissantRules(without)).not.toEqual([]);
    }
  });

  test("with a content store, where the bytes are and their SHA-256; a later version has more", async () => {
    const store = await ContentStore.open(join(folder, "content"));
    const contents = ["one", "two"].map((text) => new TextEncoder().encode(text));
    const chain = new FakeChain();
    const ledger = new Ledger();
    chain.append([ledger.createDatanet(owner!)]);
    for (const bytes of contents) {
      const { root } = await store.put(bytes);
      const [committed, submitted] = ledger.submit(1, alice!);
      if (submitted?.eventName !== "ContributionSubmitted") throw new Error("not what it was");
      const args = { ...submitted.args, contentRoot: root, size: BigInt(bytes.length), uri: `ol://${root}` };
      chain.append([
        [committed!, { ...submitted, args }],
        ledger.accept(ledger.contributions.length),
        ledger.publish(1),
      ]);
    }
    // Accepted after both versions: in neither.
    chain.append([ledger.submit(1, bob!), ledger.accept(3)]);
    const server = createContentServer({ store, port: 0 });
    const url = await server.listen();
    const other = await liveIndex({ chain, ledger });
    const files = async (version: string): Promise<Json[]> => {
      const args = ["croissant", "--datanet", "1", "--version", version, "--content.url", url];
      const document = JSON.parse(await run(args, other.url));
      expect(croissantRules(document)).toEqual([]);
      return document.distribution;
    };
    expect(await files("1")).toHaveLength(1);
    const both = await files("2");
    expect(both.map(({ sha256 }) => sha256)).toEqual(
      contents.map((it) => createHash("sha256").update(it).digest("hex")),
    );
    for (const [i, { contentUrl }] of both.entries()) {
      expect(new Uint8Array(await (await fetch(contentUrl)).arrayBuffer())).toEqual(contents[i]);
    }
    await other.close();
    await server.close();
  });
});

describe("sending", () => {
  test("events arrive one by one and in order, each as often as it takes", async () => {
    const taken: Json[] = [];
    const headers: (string | undefined)[] = [];
    let requests = 0;
    const url = await scriptedServer(async (request, response) => {
      requests += 1;
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part);
      headers.push(request.headers.authorization);
      if (requests % 3 === 0) return void response.writeHead(503).end("busy");
      if (requests % 3 === 1) return void request.socket.destroy();
      taken.push(JSON.parse(Buffer.concat(parts).toString()));
      response.writeHead(201).end();
    });
    const events = [{ n: 1 }, { n: 2 }, { n: 3 }];
    await postEvents(events, { url, token: "secret", firstWaitMs: 1 });
    expect(taken).toEqual(events);
    expect(new Set(headers)).toEqual(new Set(["Bearer secret"]));
  });

  test("the command sends what it would write", async () => {
    const taken: Json[] = [];
    const url = await scriptedServer(async (request, response) => {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part);
      taken.push(JSON.parse(Buffer.concat(parts).toString()));
      response.writeHead(201).end();
    });
    const token = join(folder, "token");
    writeFileSync(token, "secret\n");
    const written = ndjson(await run(["openlineage", "--output", "1"]));
    const args = ["openlineage", "--output", "1", "--graphql.url", index.url, "--url", url, "--url.tokenfile", token];
    const said = await warnings(() => runExport(args));
    expect(taken).toEqual(written);
    expect(said).toBe(`${written.length} events sent to ${new URL(url).host}\n`);
  });

  test.each([
    [422, 1, "422 no such field; see --url. Sending all again is safe"],
    [500, 5, "500 no such field (5 attempts); see --url. Sending all again is safe"],
  ])("a collector that answers %i is asked %i times", async (status, attempts, reason) => {
    let requests = 0;
    const url = await scriptedServer((_, response) => {
      requests += 1;
      response.writeHead(status).end("no  such\nfield");
    });
    await expect(postEvents([{}, {}], { url, firstWaitMs: 1 })).rejects.toThrow(
      `${new URL(url).host} has not taken event 1 of 2: ${reason}`,
    );
    expect(requests).toBe(attempts);
  });
});

describe("what cannot be", () => {
  test.each([
    [[], "export needs one of: openlineage, prov, cyclonedx, croissant"],
    [["toString"], "export needs one of"],
    [["prov"], "--output is missing: which one to export"],
    [["prov", "--output", "1", "--url", "http://x"], "--url is where openlineage events are sent"],
    [["prov", "--output", "77"], "there is no output 77 at block"],
    [["cyclonedx", "--model", "77"], "there is no model 77 at block"],
    [["croissant", "--datanet", "77"], "there is no Datanet 77 at block"],
    [["croissant", "--datanet", "1", "--version", "9"], "Datanet 1 has no version 9"],
    [["prov", "--output", "1", "--block", "999999"], "see --graphql.url"],
  ])("%j", async (args, message) => {
    const asked = args.length > 1 ? [...args, "--graphql.url", index.url] : args;
    await expect(runExport(asked)).rejects.toThrow(message);
  });

  test("nobody there", async () => {
    await expect(runExport(["prov", "--output", "1", "--graphql.url", "http://127.0.0.1:1/graphql"])).rejects.toThrow(
      "http://127.0.0.1:1/graphql cannot be reached: is the node running?; see --graphql.url",
    );
  });
});

test("any history exports to valid documents", async () => {
  const step = fc.record({ kind: fc.nat(18), a: fc.nat(40), b: fc.nat(40), seal: fc.boolean() });
  const check = async (rules: Rules, args: readonly string[], url: string): Promise<void> => {
    const text = await run(args, url);
    expect(rules(args[0] === "openlineage" ? ndjson(text) : JSON.parse(text))).toEqual([]);
  };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 40, maxLength: 80 }), async (steps) => {
      const live = await liveIndex({ chain: chainOf(steps), ledger: new Ledger() });
      try {
        const client = createLineageClient({ url: live.url });
        const { inferences, models, datanets } = await client.query<Json>(
          "{ inferences { nodes { id } } models { nodes { id } } datanets { nodes { id versionCount } } }",
        );
        await warnings(async () => {
          for (const { id } of inferences.nodes.slice(0, 4)) {
            await check(openLineageRules, ["openlineage", "--output", id], live.url);
            await check(provRules, ["prov", "--output", id], live.url);
          }
          for (const { id } of models.nodes.slice(0, 3))
            await check(cycloneDxRules, ["cyclonedx", "--model", id], live.url);
          for (const { id, versionCount } of datanets.nodes) {
            if (versionCount > 0) await check(croissantRules, ["croissant", "--datanet", id], live.url);
          }
        });
      } finally {
        await live.close();
      }
    }),
    { numRuns: 3 },
  );
});

async function gathered(id: number) {
  return await (await Gatherer.of(createLineageClient({ url: index.url }), undefined)).output(id);
}
