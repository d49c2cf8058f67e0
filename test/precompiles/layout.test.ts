/** Reads raw storage by the layouts of docs/precompiles.md, apart from the code that writes it, and compares with the views. */
import { encodeAbiParameters, type Hex, keccak256, toHex } from "viem";
import { beforeEach, expect, test } from "vitest";
import { ATTRIBUTION_ADDRESS, DATANET_ADDRESS, MODELS_ADDRESS } from "../../core/addresses.ts";
import { bytesToHex, hexToBytes } from "../../core/bytes.ts";
import {
  batchRootOf,
  commit,
  commitmentOf,
  contribute,
  createDatanet,
  REQUEST_ROOT,
  registerModel,
  request,
  rootOf,
  SALT,
  settleArgs,
  submit,
  text,
} from "../helpers/precompile-story.ts";
import { type Actor, actor, World } from "../helpers/precompile-world.ts";

const [owner, alice, host, payer] = ["owner", "alice", "host", "payer"].map(actor) as [Actor, Actor, Actor, Actor];
let world: World;

beforeEach(async () => {
  world = await World.create();
  for (const one of [owner, alice, host, payer]) await world.fund(one.address);
});

const word = (value: bigint | Hex): Hex => toHex(BigInt(value), { size: 32 });
const entry = (slot: Hex, ...keys: readonly (bigint | Hex)[]): Hex =>
  keys.reduce<Hex>((at, key) => keccak256(`${word(key)}${at.slice(2)}`), slot);

function read(account: Uint8Array, slot: Hex, offset = 0n): bigint {
  const at = word((BigInt(slot) + offset) % 2n ** 256n);
  const value = bytesToHex(world.layer.storage(account, hexToBytes(at)));
  return value === "0x" ? 0n : BigInt(value);
}

/** Fields of the given widths from the lowest bits. */
function fields(packed: bigint, ...widths: readonly number[]): bigint[] {
  let rest = packed;
  const values = widths.map((width) => {
    const value = rest & ((1n << BigInt(width)) - 1n);
    rest >>= BigInt(width);
    return value;
  });
  expect(rest).toBe(0n);
  return values;
}

test("Datanet storage", async () => {
  const net = await createDatanet(world, owner, { bond: 9n });
  await createDatanet(world, owner);
  const ids: bigint[] = [];
  for (let i = 0; i < 6; i++) {
    ids.push(await contribute(world, owner, alice, net, text(`content ${i}`), { value: 9n }));
    world.advance();
  }
  await world.must(owner, "datanet", "publishVersion", [net]);
  const pending = await submit(world, alice, net, text("pending"), { value: 9n });
  const copy = await submit(world, alice, net, text("copy"), { value: 9n });
  await world.must(owner, "datanet", "acceptDuplicate", [copy, ids[1]]);
  await world.must(alice, "datanet", "withdrawConsent", [ids[2]]);
  const commitment = commitmentOf(net, alice.hex, REQUEST_ROOT, SALT);
  await world.must(alice, "datanet", "commitContribution", [net, commitment]);

  const at = (slot: bigint, keys: readonly (bigint | Hex)[], offset = 0n): bigint =>
    read(DATANET_ADDRESS, entry(word(slot), ...keys), offset);
  expect(fields(read(DATANET_ADDRESS, word(0n)), 64, 64)).toEqual([2n, 8n]);
  expect(fields(at(1n, [net]), 160, 8, 8, 8, 32, 32)).toEqual([BigInt(owner.hex), 0n, 7n, 0n, 1n, 6n]);
  expect(at(1n, [net], 1n)).toBe(9n);
  const strings = [{ type: "string" }, { type: "string" }, { type: "string" }] as const;
  const metadata = keccak256(encodeAbiParameters(strings, ["Net", "language", "ipfs://net"]));
  expect(word(at(1n, [net], 2n))).toBe(metadata);
  expect(at(2n, [net, owner.hex])).toBe(1n);
  await world.must(owner, "datanet", "setBuilder", [net, owner.hex, true]);
  await world.must(owner, "datanet", "setContributor", [net, owner.hex, true]);
  expect(at(2n, [net, owner.hex])).toBe(7n);
  expect(fields(at(3n, [alice.hex, commitment]), 64, 64)).toEqual([net, world.number]);

  const withdrawn = await world.view<{ revealedAt: bigint; withdrawnAt: bigint }>("datanet", "contribution", [ids[2]]);
  expect(fields(at(4n, [ids[2]!]), 64, 8, 64, 64, 32)).toEqual([net, 2n, 9n, withdrawn.withdrawnAt, 2n]);
  expect(fields(at(4n, [ids[2]!], 1n), 160, 8, 16, 64)).toEqual([BigInt(alice.hex), 7n, 9_000n, withdrawn.revealedAt]);
  expect(withdrawn.withdrawnAt).toBe(world.number);
  expect(word(at(4n, [ids[2]!], 3n))).toBe(rootOf(text("content 2")));
  expect(fields(at(4n, [pending], 2n), 64, 128)).toEqual([0n, 9n]);
  expect(fields(at(4n, [copy], 2n), 64, 128)).toEqual([ids[1], 0n]);
  expect(at(5n, [net, rootOf(text("content 3"))])).toBe(ids[3]);

  const { publishedAt, root } = await world.view<{ publishedAt: bigint; root: Hex }>("datanet", "version", [net, 1]);
  expect(fields(at(6n, [net, 1n]), 32, 64)).toEqual([6n, publishedAt]);
  expect(word(at(6n, [net, 1n], 1n))).toBe(root);
  expect(fields(at(7n, [net]), 64, 64, 64, 64)).toEqual(ids.slice(0, 4));
  expect(fields(at(7n, [net], 1n), 64, 64)).toEqual(ids.slice(4));
  // Six leaves: at level 1 the node over leaves 4 and 5, at level 2 the one over leaves 0 to 3.
  expect(at(8n, [net], 1n)).not.toBe(0n);
  expect(at(8n, [net], 2n)).not.toBe(0n);
  expect(at(8n, [net], 3n)).toBe(0n);
});

test("models storage", async () => {
  const nets: bigint[] = [];
  for (let i = 0; i < 4; i++) {
    const net = await createDatanet(world, owner);
    for (let j = 0; j <= i; j++) await contribute(world, owner, alice, net, text(`content ${i} ${j}`));
    await world.must(owner, "datanet", "publishVersion", [net]);
    nets.push(net);
  }
  const data = nets.map((datanetId) => ({ datanetId, version: 1 }));
  const base = await registerModel(world, owner, { data });
  const child = await registerModel(world, alice, {
    parent: base,
    kind: 2,
    licence: 7,
    requestPrice: 3n,
    outputPrice: 4n,
  });
  await world.must(host, "models", "joinAsHost", [child, ""]);
  const at = (offset: bigint): bigint => read(MODELS_ADDRESS, entry(word(1n), child), offset);
  expect(read(MODELS_ADDRESS, word(0n))).toBe(2n);
  expect(fields(at(0n), 160, 8, 8, 8, 32, 32, 8)).toEqual([BigInt(alice.hex), 2n, 7n, 1n, 100_000n, 250_000n, 4n]);
  expect(fields(at(1n), 64, 64)).toEqual([base, world.number]);
  expect(fields(at(2n), 128, 128)).toEqual([3n, 4n]);
  expect([word(at(3n)), word(at(4n))]).toEqual([`0x${"11".repeat(32)}`, `0x${"22".repeat(32)}`]);
  const strings = [{ type: "string" }, { type: "string" }] as const;
  expect(word(at(5n))).toBe(keccak256(encodeAbiParameters(strings, ["Model", "ipfs://model"])));
  expect(fields(at(6n), 48, 32, 48, 32, 48, 32)).toEqual([nets[0], 1n, nets[1], 2n, nets[2], 3n]);
  expect(fields(at(7n), 48, 32)).toEqual([nets[3], 4n]);
  expect(read(MODELS_ADDRESS, entry(word(2n), child, host.hex))).toBe(1n);
  await world.must(host, "models", "leaveAsHost", [child]);
  expect(read(MODELS_ADDRESS, entry(word(2n), child, host.hex))).toBe(0n);
});

test("attribution storage", async () => {
  const net = await createDatanet(world, owner);
  const fox = await contribute(world, owner, alice, net, text("the quick brown fox"));
  await world.must(owner, "datanet", "publishVersion", [net]);
  const model = await registerModel(world, owner, { data: [{ datanetId: net, version: 1 }] });
  await world.must(host, "models", "joinAsHost", [model, ""]);
  await world.must(host, "attribution", "depositStake", [], { value: 10_000_000n });
  const id = await request(world, payer, host, model, 1_000_000n);
  const requestedAt = world.number;
  const deadline = world.timestamp + 60n;
  world.advance();
  const spans = [{ outputStart: 0, length: 15, contribution: fox, contentOffset: 4n }];
  const output = text("quick brown fox");
  expect(await commit(world, host, id, output, spans)).toMatchObject({ ok: true });
  const fee = 1_000n + 100_000n + 75_000n;

  const at = (offset: bigint): bigint => read(ATTRIBUTION_ADDRESS, entry(word(1n), id), offset);
  const head = () => fields(at(0n), 8, 8, 16, 48, 8, 8, 160);
  expect(fields(read(ATTRIBUTION_ADDRESS, word(0n)), 64, 64, 32)).toEqual([1n, 1n, 1n]);
  expect(head()).toEqual([1n, 0n, 8n, model, 0n, 0n, BigInt(payer.hex)]);
  expect(fields(at(1n), 160, 24, 40, 32)).toEqual([BigInt(host.hex), 100n, requestedAt, 1n]);
  expect(fields(at(2n), 128, 40, 40, 48)).toEqual([1_000_000n, deadline, world.timestamp, 1n]);
  expect(word(at(3n))).toBe(REQUEST_ROOT);
  expect(word(read(ATTRIBUTION_ADDRESS, entry(word(4n), 1n)))).toBe(batchRootOf([{ inferenceId: id, output, spans }]));
  const prices = read(ATTRIBUTION_ADDRESS, entry(word(6n), 1n));
  const parameters = read(ATTRIBUTION_ADDRESS, entry(word(6n), 1n), 1n);
  expect(fields(prices, 128, 128)).toEqual([1_000_000n, 5_000_000n]);
  expect(fields(parameters, 128, 24, 24, 24, 24, 32)).toEqual([1_000n, 200_000n, 200_000n, 500_000n, 30n, 2n]);
  const termsKey = keccak256(`0x${word(prices).slice(2)}${word(parameters).slice(2)}`);
  expect(read(ATTRIBUTION_ADDRESS, entry(word(5n), termsKey))).toBe(1n);
  expect(fields(read(ATTRIBUTION_ADDRESS, entry(word(3n), host.hex)), 128, 128)).toEqual([10_000_000n, fee * 2n]);
  await world.must(payer, "attribution", "demandChunk", [id, fox, 0n], { value: 500n });
  expect(head()).toEqual([1n, 0n, 8n, model, 1n, 0n, BigInt(payer.hex)]);
  const demand = entry(word(7n), id, fox, 0n);
  expect(fields(read(ATTRIBUTION_ADDRESS, demand), 160, 40, 8)).toEqual([BigInt(payer.hex), world.timestamp + 15n, 0n]);
  expect(read(ATTRIBUTION_ADDRESS, demand, 1n)).toBe(500n);
  const chunk = { first: 0n, data: bytesToHex(text("the quick brown fox")), siblings: [] };
  await world.must(host, "attribution", "showChunk", [id, fox, chunk]);
  expect(head()).toEqual([1n, 0n, 8n, model, 0n, 1n, BigInt(payer.hex)]);
  expect(fields(read(ATTRIBUTION_ADDRESS, demand), 160, 40, 8).at(-1)).toBe(1n);
  await world.must(payer, "attribution", "setAuditor", [id, alice.hex, true]);
  expect(read(ATTRIBUTION_ADDRESS, entry(word(8n), id, alice.hex))).toBe(1n);
  world.advance(45n);
  await world.must(payer, "attribution", "settle", settleArgs(id, output, spans));
  expect(head()[0]).toBe(3n);
  const due = await world.view("attribution", "accrued", [alice.hex]);
  expect(read(ATTRIBUTION_ADDRESS, entry(word(2n), alice.hex))).toBe(due);
});
