import { beforeEach, describe, expect, test } from "vitest";
import {
  contribute,
  createDatanet,
  type ModelOptions,
  modelArgs,
  registerModel,
  text,
} from "../helpers/precompile-story.ts";
import { type Actor, actor, World } from "../helpers/precompile-world.ts";

const [owner, alice, bob] = ["owner", "alice", "bob"].map(actor) as [Actor, Actor, Actor];
let world: World;
let datanetId: bigint;

beforeEach(async () => {
  world = await World.create();
  for (const one of [owner, alice, bob]) await world.fund(one.address);
  datanetId = await publishedDatanet("first");
});

async function publishedDatanet(words: string, options: Parameters<typeof createDatanet>[2] = {}): Promise<bigint> {
  const id = await createDatanet(world, owner, options);
  if (options.access === 1) await world.must(owner, "datanet", "setContributor", [id, alice.hex, true]);
  await contribute(world, owner, alice, id, text(words), { licence: options.licence ?? 7 });
  await world.must(owner, "datanet", "publishVersion", [id]);
  return id;
}

async function refused(from: Actor, name: string, args: readonly unknown[]) {
  const outcome = await world.call(from, "models", name, args);
  if (outcome.ok) throw new Error(`${name} was not refused`);
  return [outcome.error, ...outcome.args];
}

const refusedModel = (options: ModelOptions & { metadataURI?: string }, from = owner) =>
  refused(from, "registerModel", modelArgs(options));

describe("registration", () => {
  test("fixes and announces everything", async () => {
    const data = [{ datanetId, version: 1 }];
    const { result, logs } = await world.must(owner, "models", "registerModel", modelArgs({ data }));
    expect(result).toBe(1n);
    expect(logs).toHaveLength(1);
    expect(logs[0]!.args).toMatchObject({ modelId: 1n, data, flattened: [{ datanetId, count: 1 }], hostPpm: 250_000 });
    expect(await world.view("models", "model", [1n])).toMatchObject({
      kind: 0,
      licence: 7,
      depth: 0,
      royaltyPpm: 100_000,
      hostPpm: 250_000,
      registeredAt: world.number,
      parent: 0n,
      requestPrice: 1_000_000n,
      outputPrice: 5_000_000n,
      artifactHash: `0x${"11".repeat(32)}`,
      configHash: `0x${"22".repeat(32)}`,
    });
    expect(await world.view("models", "modelCount", [])).toBe(1n);
    expect(await world.view("models", "dataOf", [1n])).toEqual([{ datanetId, count: 1 }]);
  });

  test("flattened data holds the largest count of each Datanet over the lineage, ids rising", async () => {
    const others = [];
    for (const words of ["b", "c", "d", "e"]) others.push(await publishedDatanet(words));
    const base = await registerModel(world, owner, {
      data: [others[2]!, datanetId].map((id) => ({ datanetId: id, version: 1 })),
    });
    await contribute(world, owner, alice, datanetId, text("more"));
    await world.must(owner, "datanet", "publishVersion", [datanetId]);
    const child = await registerModel(world, owner, {
      parent: base,
      data: [others[3]!, datanetId, others[0]!].map((id) => ({ datanetId: id, version: id === datanetId ? 2 : 1 })),
    });
    expect(await world.view("models", "dataOf", [child])).toEqual([
      { datanetId, count: 2 },
      { datanetId: others[0], count: 1 },
      { datanetId: others[2], count: 1 },
      { datanetId: others[3], count: 1 },
    ]);
    const older = { data: [{ datanetId, version: 1 }] };
    const adapter = await registerModel(world, bob, { kind: 2, parent: child, ...older });
    expect(await world.view("models", "dataOf", [adapter])).toContainEqual({ datanetId, count: 2 });
    expect(await world.view("models", "dataOf", [adapter])).toHaveLength(4);
    expect(await world.view("models", "ancestors", [adapter])).toEqual([child, base]);
  });

  test("is refused where something is wrong with it", async () => {
    const data = [{ datanetId, version: 1 }];
    expect(await refusedModel({ data, name: "" })).toEqual(["EmptyName"]);
    expect(await refusedModel({ data, name: "n".repeat(65) })).toEqual(["StringTooLong", 65n, 64n]);
    expect(await refusedModel({ data, metadataURI: "n".repeat(257) })).toEqual(["StringTooLong", 257n, 256n]);
    expect(await refusedModel({ data, licence: 0 })).toEqual(["UnknownLicence", 0]);
    expect(await refusedModel({ data, licence: 17 })).toEqual(["UnknownLicence", 17]);
    expect(await refusedModel({ data, royaltyPpm: 500_001 })).toEqual(["InvalidShare", 500_001n, 500_000n]);
    expect(await refusedModel({ data, hostPpm: 1_000_001 })).toEqual(["InvalidShare", 1_000_001n, 1_000_000n]);
    expect(await refusedModel({ data: [] })).toEqual(["NoData"]);
    expect(await refusedModel({ data: new Array(17).fill(data[0]) })).toEqual(["TooManyItems", 17n, 16n]);
    expect(await refusedModel({ data: [...data, ...data] })).toEqual(["DuplicateData", datanetId]);
    expect(await refusedModel({ data: [{ datanetId, version: 2 }] })).toEqual(["UnknownVersion", datanetId, 2]);
    expect(await refusedModel({ data: [{ datanetId, version: 0 }] })).toEqual(["UnknownVersion", datanetId, 0]);
    expect(await refusedModel({ data: [{ datanetId: 99n, version: 1 }] })).toEqual(["UnknownVersion", 99n, 1]);
    expect(await refusedModel({ data, kind: 1 })).toEqual(["InvalidParent", 0n]);
    expect(await refusedModel({ data, kind: 0, parent: 1n })).toEqual(["InvalidParent", 1n]);
    expect(await refusedModel({ data, parent: 2n ** 255n })).toEqual(["InvalidParent", 2n ** 255n]);
  });

  test("licences: of the data and of the parent", async () => {
    const shareAlike = await publishedDatanet("sa", { licence: 8 });
    const data = [{ datanetId: shareAlike, version: 1 }];
    expect(await refusedModel({ data, licence: 7 })).toEqual(["LicenceConflict", 8, 7]);
    const base = await registerModel(world, owner, { data, licence: 8 });
    expect(await refusedModel({ parent: base, licence: 2 })).toEqual(["LicenceConflict", 8, 2]);
    await registerModel(world, owner, { parent: base, licence: 9 });
  });

  test("access: a permissioned Datanet needs a builder grant", async () => {
    const closed = await publishedDatanet("closed", { access: 1 });
    const data = [{ datanetId: closed, version: 1 }];
    expect((await refusedModel({ data }, bob)).slice(0, 2)).toEqual(["AccessNotGranted", closed]);
    await world.must(owner, "datanet", "setBuilder", [closed, bob.hex, true]);
    await registerModel(world, bob, { data });
  });

  test("depth is bounded", async () => {
    let parent = await registerModel(world, owner, { data: [{ datanetId, version: 1 }] });
    for (let depth = 1; depth <= 8; depth++) parent = await registerModel(world, owner, { parent });
    expect(await world.view("models", "ancestors", [parent])).toHaveLength(8);
    expect(await refusedModel({ parent })).toEqual(["LineageTooDeep", 8n]);
  });

  test("the flattened list is bounded", async () => {
    let parent = 0n;
    for (let round = 0; round < 4; round++) {
      const data = [];
      for (let i = 0; i < 16; i++) data.push({ datanetId: await publishedDatanet(`${round}.${i}`), version: 1 });
      parent = await registerModel(world, owner, parent === 0n ? { data } : { data, parent });
    }
    expect(await world.view("models", "dataOf", [parent])).toHaveLength(64);
    expect(await refusedModel({ parent, data: [{ datanetId, version: 1 }] })).toEqual(["TooManyItems", 65n, 64n]);
  });
});

describe("prices and hosts", () => {
  let modelId: bigint;
  beforeEach(async () => {
    modelId = await registerModel(world, owner, { data: [{ datanetId, version: 1 }] });
  });

  test("only the owner sets prices", async () => {
    expect((await refused(bob, "setPrices", [modelId, 1n, 2n]))[0]).toBe("NotModelOwner");
    expect(await refused(owner, "setPrices", [9n, 1n, 2n])).toEqual(["UnknownModel", 9n]);
    await world.must(owner, "models", "setPrices", [modelId, 2n ** 128n - 1n, 2n]);
    const expected = { requestPrice: 2n ** 128n - 1n, outputPrice: 2n };
    expect(await world.view("models", "model", [modelId])).toMatchObject(expected);
  });

  test("a host joins once and leaves", async () => {
    expect((await refused(bob, "leaveAsHost", [modelId])).slice(0, 2)).toEqual(["NotHost", modelId]);
    const { logs } = await world.must(bob, "models", "joinAsHost", [modelId, "http://host"]);
    expect(logs[0]!.args).toMatchObject({ modelId, url: "http://host" });
    expect(await world.view("models", "isHost", [modelId, bob.hex])).toBe(true);
    expect((await refused(bob, "joinAsHost", [modelId, ""])).slice(0, 2)).toEqual(["AlreadyHost", modelId]);
    await world.must(bob, "models", "leaveAsHost", [modelId]);
    expect(await world.view("models", "isHost", [modelId, bob.hex])).toBe(false);
    expect(await refused(alice, "joinAsHost", [modelId, "u".repeat(257)])).toEqual(["StringTooLong", 257n, 256n]);
    for (const [name, args] of [
      ["joinAsHost", [9n, ""]],
      ["leaveAsHost", [9n]],
      ["model", [9n]],
      ["dataOf", [9n]],
      ["ancestors", [9n]],
    ] as const) {
      expect(await refused(bob, name, args)).toEqual(["UnknownModel", 9n]);
    }
  });
});
