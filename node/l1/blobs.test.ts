import { hexToBytes as fromHex, type Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packBlob } from "../../bridge/blob.ts";
import { bigIntToFixed, bytesToHex, concatBytes } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import { verifyKzgProof } from "../../execution/kzg.ts";
import { EPOCH_BLOCKS, type TestL1, TestL2, testL1 } from "../../test/helpers/l1-world.ts";
import { signed } from "../testing/world.ts";
import { beaconBlobs, blobSigner, slotSince } from "./blobs.ts";
import { L1UnavailableError } from "./client.ts";
import { challengeOf, commitTo, evaluate, proveBlob, versionedHash } from "./kzg.ts";
import { Poster } from "./poster.ts";
import { L1Sender } from "./sender.ts";

const KEY: Hex = `0x${"44".repeat(32)}`;
let world: TestL1;

beforeAll(async () => {
  world = await testL1();
  await world.anvil.client.setBalance({ address: privateKeyToAccount(KEY).address, value: 10n ** 20n });
});
afterAll(() => world?.anvil.stop());

test("commitments and proofs pass the point evaluation of EIP-4844, and no other value does", () => {
  const blob = packBlob(
    concatBytes(...Array.from({ length: 4_000 }, (_, i) => keccak256(bigIntToFixed(BigInt(i), 4)))),
  );
  const commitment = commitTo(blob);
  const z = challengeOf(blob, commitment);
  const proof = bytesToHex(proveBlob(blob, commitment));
  const word = (value: bigint) => bytesToHex(bigIntToFixed(value, 32));
  expect(verifyKzgProof(bytesToHex(commitment), word(z), word(evaluate(blob, z)), proof)).toBe(true);
  expect(verifyKzgProof(bytesToHex(commitment), word(z), word(evaluate(blob, z) + 1n), proof)).toBe(false);
  // Of the empty blob: the point at infinity.
  expect(bytesToHex(commitTo(new Uint8Array(131_072)))).toBe(`0xc0${"00".repeat(47)}`);
  expect(() => commitTo(new Uint8Array(131_072).fill(0xff))).toThrow(RangeError);
});

// What anvil calls a block's transactionsRoot is of what blob transactions travel with: it is never asked for here.
test("a batch in a blob is taken by L1, read back and counts", async () => {
  const l2 = await TestL2.open(world, {
    blobs: beaconBlobs({ url: world.anvil.url, blockId: ({ number }) => String(number) }),
  });
  l2.clock.setMs(l2.clock.nowMs() + 10_000_000);
  await l2.follow();
  for (let n = 0n; n < 2n; n++) await l2.extend([signed(0, n)]);
  const { chain, watcher, safeHead, store, clock, client } = l2;
  const { log } = l2.log;
  const privateKey = fromHex(KEY);
  const readTo = () => safeHead.readTo;
  const limits = { maxFeePerGas: 500_000_000_000n, bumpAfterMs: 60_000 };
  const sender = new L1Sender({ client, store, clock, log, privateKey, readTo, blobs: blobSigner, ...limits });
  const validators = () => chain.validatorSet(0)!;
  const { inbox } = world.l1;
  const common = { chain, watcher, safeHead, sender, store, clock, log, inbox, validators, publicKey: undefined };
  const poster = new Poster({ ...common, epochBlocks: BigInt(EPOCH_BLOCKS), data: "blobs", maxAgeMs: 0 });
  for (let i = 0; i < 4 && safeHead.safe < 2n; i++) {
    await poster.tick();
    await world.mine();
    await l2.follow();
  }
  expect(safeHead.safe).toBe(2n);
  const restarted = await TestL2.open(world, { store: store.copy() });
  await restarted.follow();
  // Who has no source of blobs skips it.
  expect(restarted.log.lines).toContainEqual(expect.objectContaining({ msg: "a post to the inbox is no batch" }));
});

test("blobs that are not there may be there later, and one that is another is not believed", async () => {
  const source = beaconBlobs({ url: world.anvil.url, blockId: ({ number }) => String(number) });
  const block = { number: 1n, timestamp: 1_700_000_123n } as never;
  await expect(source.blobs(block, [versionedHash(new Uint8Array(48))])).rejects.toBeInstanceOf(L1UnavailableError);
  const nobody = beaconBlobs({ url: "http://127.0.0.1:1", blockId: slotSince(1_700_000_000n) });
  await expect(nobody.blobs(block, [versionedHash(new Uint8Array(48))])).rejects.toBeInstanceOf(L1UnavailableError);
  expect(slotSince(1_700_000_000n)(block)).toBe("10");
});
