import { concat, encodePacked, type Hex, keccak256, padHex } from "viem";
import { beforeEach, describe, expect, test } from "vitest";
import { DATANET_ADDRESS, TREASURY_ADDRESS } from "../../core/addresses.ts";
import { keccak256 as coreKeccak } from "../../core/crypto.ts";
import { LICENCES, licenceAllows } from "../../core/licences.ts";
import type { PrecompileContext } from "../../core/precompile.ts";
import { mapSlot, rootSlot, wordOf } from "../../precompiles/storage.ts";
import {
  commitmentOf,
  contribute,
  createDatanet,
  revealArgs,
  rootOf,
  SALT,
  submit,
  text,
} from "../helpers/precompile-story.ts";
import { type Actor, actor, type CallOptions, World } from "../helpers/precompile-world.ts";

const [owner, alice, bob] = ["owner", "alice", "bob"].map(actor) as [Actor, Actor, Actor];
let world: World;

beforeEach(async () => {
  world = await World.create();
  for (const one of [owner, alice, bob]) await world.fund(one.address);
});

/** Name and arguments of the custom error. */
async function refused(from: Actor, name: string, args: readonly unknown[], options?: CallOptions) {
  const outcome = await world.call(from, "datanet", name, args, options);
  if (outcome.ok) throw new Error(`${name} was not refused`);
  expect(outcome.halt).toBe("revert");
  return [outcome.error, ...outcome.args];
}

const created = (overrides: Record<number, unknown> = {}) =>
  ["Net", "language", "ipfs://net", 0, 7, 0, 5n].map((value, i) => (i in overrides ? overrides[i] : value));

describe("createDatanet", () => {
  test("records and announces it; the sender is owner and curator", async () => {
    const { result, logs } = await world.must(owner, "datanet", "createDatanet", created());
    expect(result).toBe(1n);
    expect(logs.map((log) => log.name)).toEqual(["DatanetCreated", "CuratorSet"]);
    expect(logs[0]!.args).toMatchObject({ name: "Net", domain: "language", metadataURI: "ipfs://net", bond: 5n });
    const datanet = await world.view<Record<string, unknown>>("datanet", "datanet", [1n]);
    expect(datanet).toMatchObject({ modality: 0, licence: 7, access: 0, versions: 0, accepted: 0, bond: 5n });
    expect((datanet.owner as string).toLowerCase()).toBe(owner.hex);
    expect(await world.view("datanet", "isCurator", [1n, owner.hex])).toBe(true);
    expect(await world.view("datanet", "datanetCount", [])).toBe(1n);
  });

  test.each([
    ["EmptyName", { 0: "" }, []],
    ["StringTooLong", { 0: "x".repeat(65) }, [65n, 64n]],
    ["StringTooLong", { 1: "é".repeat(33) }, [66n, 64n]],
    ["StringTooLong", { 2: "x".repeat(257) }, [257n, 256n]],
    ["UnknownLicence", { 4: 0 }, [0]],
    ["UnknownLicence", { 4: LICENCES.length }, [LICENCES.length]],
  ])("%s %j", async (name, overrides, args) => {
    expect(await refused(owner, "createDatanet", created(overrides))).toEqual([name, ...args]);
  });

  test("strings at their limits are taken", async () => {
    const args = created({ 0: "n".repeat(64), 1: "d".repeat(64), 2: "u".repeat(256) });
    await world.must(owner, "datanet", "createDatanet", args);
  });
});

describe("roles", () => {
  test.each([
    ["setCurator", "isCurator"],
    ["setContributor", "isContributor"],
    ["setBuilder", "isBuilder"],
  ])("%s grants and takes, apart from the other roles", async (set, is) => {
    const datanetId = await createDatanet(world, owner);
    await world.must(owner, "datanet", "setCurator", [datanetId, bob.hex, true]);
    await world.must(owner, "datanet", "setContributor", [datanetId, bob.hex, true]);
    await world.must(owner, "datanet", "setBuilder", [datanetId, bob.hex, true]);
    await world.must(owner, "datanet", set, [datanetId, bob.hex, false]);
    for (const view of ["isCurator", "isContributor", "isBuilder"]) {
      expect(await world.view("datanet", view, [datanetId, bob.hex])).toBe(view !== is);
    }
    expect(await refused(bob, set, [datanetId, bob.hex, true])).toEqual(["NotOwner", expect.stringMatching(/^0x/)]);
    expect(await refused(owner, set, [99n, bob.hex, true])).toEqual(["UnknownDatanet", 99n]);
  });
});

describe("commit and reveal", () => {
  const content = text("some text");

  test("a commitment is needed, by the same sender, in an earlier block, and serves once", async () => {
    const id = await createDatanet(world, owner);
    const other = await createDatanet(world, owner);
    const commitment = commitmentOf(id, alice.hex, rootOf(content), SALT);
    const args = revealArgs(id, content);
    expect(await refused(alice, "submitContribution", args)).toEqual(["CommitmentMissing", commitment]);
    expect(await refused(alice, "commitContribution", [99n, commitment])).toEqual(["UnknownDatanet", 99n]);
    // Copied by somebody else first: it is not in the author's way.
    await world.must(bob, "datanet", "commitContribution", [id, commitment]);
    await world.must(alice, "datanet", "commitContribution", [id, commitment]);
    expect(await refused(alice, "commitContribution", [other, commitment])).toEqual(["CommitmentExists", commitment]);
    expect(await refused(alice, "submitContribution", args)).toEqual(["CommitmentTooRecent", commitment, world.number]);
    world.advance();
    expect((await refused(bob, "submitContribution", args))[0]).toBe("CommitmentMissing");
    const { result, logs } = await world.must(alice, "datanet", "submitContribution", args);
    expect(result).toBe(1n);
    expect(logs[0]!.args).toMatchObject({ contributionId: 1n, size: 9n, licence: 7, uri: "store://x", parents: [] });
    expect(await world.view("datanet", "contributionByRoot", [id, rootOf(content)])).toBe(1n);
    await world.must(alice, "datanet", "commitContribution", [id, commitment]);
    world.advance();
    expect(await refused(alice, "submitContribution", args)).toEqual(["DuplicateContent", id, rootOf(content), 1n]);
  });

  test("a commitment announced for one Datanet does not serve another", async () => {
    const id = await createDatanet(world, owner);
    const other = await createDatanet(world, owner);
    const commitment = commitmentOf(id, alice.hex, rootOf(content), SALT);
    await world.must(alice, "datanet", "commitContribution", [other, commitment]);
    world.advance();
    expect(await refused(alice, "submitContribution", revealArgs(id, content))).toEqual([
      "CommitmentMissing",
      commitment,
    ]);
  });

  test("what is refused at the reveal", async () => {
    const id = await createDatanet(world, owner, { bond: 5n });
    const closed = await createDatanet(world, owner, { access: 1 });
    const reveal = (options: Parameters<typeof revealArgs>[2], value = 5n, datanetId = id) =>
      refused(alice, "submitContribution", revealArgs(datanetId, content, options), { value });
    expect(await reveal({ size: 0n })).toEqual(["EmptyContent"]);
    expect(await reveal({ uri: "u".repeat(257) })).toEqual(["StringTooLong", 257n, 256n]);
    expect(await reveal({ licence: 17 })).toEqual(["UnknownLicence", 17]);
    expect(await reveal({}, 4n)).toEqual(["WrongBond", 4n, 5n]);
    expect(await reveal({}, 6n)).toEqual(["WrongBond", 6n, 5n]);
    expect(await reveal({ parents: new Array(17).fill(1n) })).toEqual(["TooManyItems", 17n, 16n]);
    expect(await reveal({ parents: [1n] })).toEqual(["InvalidParent", 1n]);
    expect(await reveal({ parents: [0n] })).toEqual(["InvalidParent", 0n]);
    expect(await reveal({}, 5n, 77n)).toEqual(["UnknownDatanet", 77n]);
    expect((await reveal({}, 0n, closed))[0]).toBe("ContributorNotAllowed");
    await world.must(owner, "datanet", "setContributor", [closed, alice.hex, true]);
    expect(await submit(world, alice, closed, content)).toBe(1n);
    expect(await reveal({ parents: [1n, 1n] })).toEqual(["InvalidParent", 1n]);
    expect(await submit(world, alice, id, content, { parents: [1n], value: 5n })).toBe(2n);
  });
});

describe("review", () => {
  let id: bigint;
  beforeEach(async () => {
    id = await createDatanet(world, owner, { bond: 50n });
  });
  const offer = (words: string, licence = 7) => submit(world, alice, id, text(words), { value: 50n, licence });

  test("acceptance returns the bond and appends a leaf", async () => {
    const first = await offer("one");
    const before = await world.balance(alice.address);
    expect(await world.balance(DATANET_ADDRESS)).toBe(50n);
    const { logs } = await world.must(owner, "datanet", "acceptContribution", [first, 10_000]);
    expect(logs.map((log) => log.name)).toEqual(["BondReturned", "ContributionAccepted"]);
    expect(await world.balance(alice.address)).toBe(before + 50n);
    expect(await world.balance(DATANET_ADDRESS)).toBe(0n);
    const second = await offer("two");
    await world.must(owner, "datanet", "acceptContribution", [second, 1]);
    expect(await world.view("datanet", "contribution", [second])).toMatchObject({
      status: 2,
      score: 1,
      leafIndex: 1,
      bond: 0n,
      contentRoot: rootOf(text("two")),
      withdrawnAt: 0n,
    });
    expect(await world.view("datanet", "acceptedIds", [id, 0, 2])).toEqual([first, second]);
  });

  test("rejection sends the bond to the treasury and frees the content for others", async () => {
    const first = await offer("one");
    const { logs } = await world.must(owner, "datanet", "rejectContribution", [first, "not yours"]);
    expect(logs[0]!.args).toMatchObject({ reason: "not yours", bondForfeited: 50n });
    expect(await world.balance(TREASURY_ADDRESS)).toBe(50n);
    expect(await world.view("datanet", "contribution", [first])).toMatchObject({ status: 3, bond: 0n });
    expect(await world.view("datanet", "contributionByRoot", [id, rootOf(text("one"))])).toBe(0n);
    expect(await submit(world, bob, id, text("one"), { value: 50n })).toBe(2n);
  });

  test("a duplicate is accepted as a copy of an earlier one, and its bond is gone", async () => {
    const first = await offer("one");
    const second = await offer("One");
    expect(await refused(owner, "acceptDuplicate", [second, first])).toEqual(["InvalidDuplicateOf", second, first]);
    await world.must(owner, "datanet", "acceptContribution", [first, 1]);
    expect(await refused(owner, "acceptDuplicate", [second, second])).toEqual(["InvalidDuplicateOf", second, second]);
    const { logs } = await world.must(owner, "datanet", "acceptDuplicate", [second, first]);
    expect(logs[0]!.args).toMatchObject({ duplicateOf: first });
    expect(await world.balance(TREASURY_ADDRESS)).toBe(50n);
    expect(await world.view("datanet", "contribution", [second])).toMatchObject({
      status: 4,
      duplicateOf: first,
      bond: 0n,
    });
    const elsewhere = await createDatanet(world, owner);
    const third = await submit(world, alice, elsewhere, text("ONE"));
    expect(await refused(owner, "acceptDuplicate", [third, first])).toEqual(["InvalidDuplicateOf", third, first]);
  });

  test("what is refused", async () => {
    const first = await offer("one");
    const unlicensed = await offer("two", 0);
    expect((await refused(alice, "acceptContribution", [first, 1]))[0]).toBe("NotCurator");
    expect((await refused(alice, "rejectContribution", [first, ""]))[0]).toBe("NotCurator");
    expect((await refused(alice, "acceptDuplicate", [first, 1n]))[0]).toBe("NotCurator");
    expect(await refused(owner, "acceptContribution", [first, 10_001])).toEqual(["InvalidScore", 10_001]);
    expect(await refused(owner, "acceptContribution", [99n, 1])).toEqual(["UnknownContribution", 99n]);
    expect(await refused(owner, "acceptContribution", [unlicensed, 1])).toEqual(["LicenceConflict", 0, 7]);
    const reason = "r".repeat(257);
    expect(await refused(owner, "rejectContribution", [first, reason])).toEqual(["StringTooLong", 257n, 256n]);
    await world.must(owner, "datanet", "acceptContribution", [first, 1]);
    expect(await refused(owner, "acceptContribution", [first, 1])).toEqual(["NotPending", first, 2]);
    expect(await refused(owner, "rejectContribution", [first, ""])).toEqual(["NotPending", first, 2]);
  });

  test("a full Datanet takes no more", async () => {
    const first = await offer("one");
    const keccak = { keccak: coreKeccak } as unknown as PrecompileContext;
    const slot = mapSlot(keccak, rootSlot(1), id);
    const head = BigInt(`0x${Buffer.from(world.layer.storage(DATANET_ADDRESS, slot)).toString("hex")}`);
    world.layer.setStorage(DATANET_ADDRESS, slot, wordOf(head | ((2n ** 32n - 1n) << 216n)));
    expect(await refused(owner, "acceptContribution", [first, 1])).toEqual(["DatanetFull", id]);
  });
});

describe("consent", () => {
  test("withdrawn while pending: the bond comes back and the content is free", async () => {
    const id = await createDatanet(world, owner, { bond: 50n });
    const first = await submit(world, alice, id, text("one"), { value: 50n });
    expect((await refused(bob, "withdrawConsent", [first]))[0]).toBe("NotContributor");
    expect(await refused(alice, "withdrawConsent", [9n])).toEqual(["UnknownContribution", 9n]);
    const { logs } = await world.must(alice, "datanet", "withdrawConsent", [first]);
    expect(logs.map((log) => log.name)).toEqual(["BondReturned", "ConsentWithdrawn"]);
    expect(await world.view("datanet", "contribution", [first])).toMatchObject({
      status: 5,
      withdrawnAt: world.number,
    });
    expect(await refused(alice, "withdrawConsent", [first])).toEqual(["NotWithdrawable", first, 5]);
    expect(await world.view("datanet", "contributionByRoot", [id, rootOf(text("one"))])).toBe(0n);
  });

  test("withdrawn after acceptance: it stays accepted, with the block of the withdrawal, and its leaf stays", async () => {
    const id = await createDatanet(world, owner);
    const first = await contribute(world, owner, alice, id, text("one"));
    await world.must(alice, "datanet", "withdrawConsent", [first]);
    expect(await world.view("datanet", "contribution", [first])).toMatchObject({
      status: 2,
      withdrawnAt: world.number,
    });
    expect(await refused(alice, "withdrawConsent", [first])).toEqual(["NotWithdrawable", first, 2]);
    expect(await world.view("datanet", "acceptedIds", [id, 0, 1])).toEqual([first]);
    expect(await world.view("datanet", "contributionByRoot", [id, rootOf(text("one"))])).toBe(first);
  });
});

/** Root of the depth-32 tree by definition, with another hash implementation. */
function referenceRoot(leaves: readonly Hex[]): Hex {
  let level = [...leaves];
  let empty: Hex = padHex("0x", { size: 32 });
  for (let depth = 0; depth < 32; depth++) {
    const above: Hex[] = [];
    for (let i = 0; i < level.length; i += 2) above.push(keccak256(concat(["0x04", level[i]!, level[i + 1] ?? empty])));
    level = above;
    empty = keccak256(concat(["0x04", empty, empty]));
  }
  return level[0] ?? empty;
}

describe("versions", () => {
  test("freeze count and root; the root is that of the documented tree", async () => {
    const id = await createDatanet(world, owner);
    expect(await refused(owner, "publishVersion", [id])).toEqual(["NothingToPublish", id]);
    expect(await refused(owner, "publishVersion", [5n])).toEqual(["UnknownDatanet", 5n]);
    const leaves: Hex[] = [];
    for (let i = 1; i <= 9; i++) {
      const content = text(`content number ${i}`);
      const contributionId = await contribute(world, owner, alice, id, content);
      leaves.push(
        keccak256(
          encodePacked(
            ["uint8", "uint64", "bytes32", "uint64", "address", "uint8"],
            [3, contributionId, rootOf(content), BigInt(content.length), alice.hex, 7],
          ),
        ),
      );
      const { result, logs } = await world.must(owner, "datanet", "publishVersion", [id]);
      expect(result).toBe(i);
      expect(logs[0]!.args).toMatchObject({ version: i, count: i, root: referenceRoot(leaves) });
      const version = await world.view("datanet", "version", [id, i]);
      expect(version).toEqual({ count: i, publishedAt: world.number, root: referenceRoot(leaves) });
    }
    expect(await refused(owner, "publishVersion", [id])).toEqual(["NothingToPublish", id]);
    expect((await refused(alice, "publishVersion", [id]))[0]).toBe("NotOwner");
    expect(await refused(alice, "version", [id, 10])).toEqual(["UnknownVersion", id, 10]);
    expect(await refused(alice, "version", [id, 0])).toEqual(["UnknownVersion", id, 0]);
    expect(await world.view("datanet", "acceptedIds", [id, 3, 6])).toEqual([4n, 5n, 6n, 7n, 8n, 9n]);
    expect(await refused(alice, "acceptedIds", [id, 4, 6])).toEqual(["IndexOutOfRange", 10n, 9n]);
    expect(await refused(alice, "acceptedIds", [id, 0, 257])).toEqual(["TooManyItems", 257n, 256n]);
    expect(await refused(alice, "acceptedIds", [6n, 0, 1])).toEqual(["UnknownDatanet", 6n]);
    expect(await refused(alice, "acceptedIds", [id, 2 ** 32 - 1, 256])).toEqual([
      "IndexOutOfRange",
      2n ** 32n + 255n,
      9n,
    ]);
  });
});

test("licenceAllows is the matrix of core", async () => {
  for (const from of [0, 1, 7, 8, 13, 16, 17, 255]) {
    for (const to of [0, 1, 8, 9, 13]) {
      expect(await world.view("datanet", "licenceAllows", [from, to])).toBe(licenceAllows(from, to));
    }
  }
});
