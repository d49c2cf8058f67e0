/** Certificates, ends of epochs and raw blocks over JSON-RPC, from a real chain with short epochs. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { decodeCertificate } from "../../../consensus/codec.ts";
import { bytesToHex, type Hex, hexToBytes } from "../../../core/bytes.ts";
import { decodeBlock } from "../../../execution/block/block-codec.ts";
import { encodeHeader } from "../../../execution/block/header.ts";
import { LineageWorld } from "../../lineage-cli/testing/lineage-world.ts";
import { decodeEpochEnd } from "../../sync/messages.ts";
import { decodeReceipts } from "../../sync/receipts.ts";

let world: LineageWorld;
beforeAll(async () => {
  world = await LineageWorld.open();
  await world.createDatanet("Tales");
  await world.idle(18);
});
afterAll(() => world.close());

const ask = <T>(method: string, ...params: unknown[]): Promise<T> =>
  world.ask(`openledger_${method}`, params) as Promise<T>;
const headerOf = (number: bigint): Hex => bytesToHex(encodeHeader(world.chain.block(number)!.header));

it("ends of epochs, as many as there are", async () => {
  const ends = (await ask<Hex[]>("getEpochEnds", 0, 64)).map((end) => decodeEpochEnd(hexToBytes(end)));
  expect(ends.map(({ last }) => last.header.number)).toEqual([7n, 15n]);
  expect(ends.map(({ nextSet }) => nextSet.validators.length)).toEqual([2, 2]);
  expect(await ask("getEpochEnds", 1, 1)).toHaveLength(1);
  expect(await ask("getEpochEnds", 2, 64)).toEqual([]);
  expect(await ask("getEpochEnds", Number.MAX_SAFE_INTEGER - 64, 64)).toEqual([]);
});

it.each([[-1, 1], [0, 0], [0, 65], [0.5, 1], ["0x0", "0x1"], [0]])(
  "no ends of epochs for %j, %j",
  async (...params) => {
    await expect(ask("getEpochEnds", ...params)).rejects.toThrow(/-32602/);
  },
);

it("the certificate that makes a block final: its own or that of a later one", async () => {
  type Certified = { header: Hex; certificate: Hex };
  for (const [asked, certified] of [
    ["0x1", 3n],
    ["0x3", 3n],
    ["0x7", 7n],
    ["earliest", 3n],
  ] as const) {
    const answer = await ask<Certified>("getCertificate", asked);
    expect(answer.header).toBe(headerOf(certified));
    expect(decodeCertificate(hexToBytes(answer.certificate)).block).toEqual(world.chain.hashAt(certified));
  }
  // Of the last block, which is the 19th; the 18th is certified.
  expect(await ask("getCertificate")).toBeNull();
  await expect(ask("getCertificate", "0x7777")).rejects.toThrow(/header not found/);
});

it("a block and its receipts, by number or hash", async () => {
  type Raw = { block: Hex; receipts: Hex };
  const raw = await ask<Raw>("getRawBlock", "0x1");
  expect(await ask("getRawBlock", bytesToHex(world.chain.hashAt(1n)!))).toEqual(raw);
  const decoded = decodeBlock(hexToBytes(raw.block), world.genesis.chainId);
  if (!decoded.ok) throw new Error(decoded.reason);
  expect(decoded.block.hash).toEqual(world.chain.hashAt(1n));
  expect(decodeReceipts(hexToBytes(raw.receipts), decoded.block)).toEqual(world.chain.block(1n)!.receipts);
  expect(await ask("getRawBlock", "0x7777")).toBeNull();
  expect(await ask("getRawBlock", `0x${"00".repeat(32)}`)).toBeNull();
});
