/** A chain on a store in memory whose blocks certificates of real validators finalize, over epochs with other sets. */
import { bitmapOf } from "../../consensus/certificates.ts";
import { encodeCertificate } from "../../consensus/codec.ts";
import { voteDigest } from "../../consensus/scheme.ts";
import { baseView, KIND } from "../../consensus/types.ts";
import { blsAggregate, blsSign } from "../../core/bls.ts";
import { bigIntToFixed, hexToBytes } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import { decodeValidators, encodeValidators, type ValidatorSet } from "../../core/validators.ts";
import { COINBASE } from "../../execution/testing/world.ts";
import { testValidator } from "../../genesis/testing/validators.ts";
import { PRECOMPILES } from "../../precompiles/table.ts";
import { Chain } from "../chain.ts";
import { domainOf } from "../genesis-block.ts";
import { contract, type FakeStore, rich, signed, testGenesis } from "./world.ts";

const EPOCH_BLOCKS = 4;
/** By epoch; the last of these stays. */
const MEMBERS: readonly (readonly number[])[] = [[0], [0], [0, 1, 2]];
const membersOf = (epoch: number): readonly number[] => MEMBERS[Math.min(epoch, MEMBERS.length - 1)]!;
const setOf = (members: readonly number[]): ValidatorSet =>
  decodeValidators(encodeValidators(members.map((index) => testValidator(index))));

/** SSTORE(calldata word 0, calldata word 1). */
const STORE_CODE = hexToBytes("0x60203560003555");
const STORE_ADDRESS = new Uint8Array(20).fill(0x5c);

export const CERTIFIED_GENESIS = testGenesis([rich(0), rich(1), contract(STORE_ADDRESS, STORE_CODE)], {
  consensus: { epochBlocks: EPOCH_BLOCKS },
  validators: setOf(MEMBERS[0]!),
  // Submitted in epoch 0, so that it takes over with epoch 2.
  validatorChanges: [{ block: 5n, set: setOf(MEMBERS[2]!) }],
});

/** Of a slot of the contract; 0 clears it. */
export const storing = (sender: number, nonce: bigint, slot: number, value: number): Transaction =>
  signed(sender, nonce, {
    to: STORE_ADDRESS,
    data: Uint8Array.from([...bigIntToFixed(BigInt(slot), 32), ...bigIntToFixed(BigInt(value), 32)]),
    gasLimit: 80_000n,
  });

export const openCertified = (store: FakeStore): Promise<Chain> => Chain.open(store, CERTIFIED_GENESIS, PRECOMPILES);

/** `number` blocks above the head, of transfers and stores; every other one, and the last of an epoch, has a certificate. */
export async function extendCertified(chain: Chain, count: number, salt = 0): Promise<void> {
  for (let i = 0; i < count; i++) {
    const number = Number(chain.head.number) + 1;
    const nonce = (sender: number) => chain.headState.account(signed(sender, 0n).from)?.nonce ?? 0n;
    const { block } = await chain.propose({
      candidates: [
        signed(0, nonce(0), { value: BigInt(1 + salt) }),
        storing(1, nonce(1), number % 5, number % 3),
        storing(1, nonce(1) + 1n, 7, number + salt),
      ],
      timestamp: chain.headBlock.header.timestamp + 1n,
      feeAddress: COINBASE,
      isOutOfTime: () => false,
    });
    const isCertified = number % 2 === 0 || (number + 1) % EPOCH_BLOCKS === 0;
    await chain.commitThrough(block.hash, isCertified ? certify(number, block.hash) : undefined);
  }
}

/** By all members of the block's epoch; `members`: by others. */
export function certify(number: number, block: Uint8Array, members?: readonly number[]): Uint8Array {
  const epoch = Math.floor(number / EPOCH_BLOCKS);
  const signers = members ?? membersOf(epoch);
  const view = baseView(epoch) + number + 2;
  const subject = { kind: KIND.finalize, epoch, view, parentView: view - 1, block };
  const digest = voteDigest(domainOf(CERTIFIED_GENESIS), setOf(signers).hash, subject);
  const signature = blsAggregate(signers.map((index) => blsSign(testValidator(index).secretKey, digest)))!;
  return encodeCertificate({ ...subject, bitmap: bitmapOf(signers.keys(), signers.length), signature });
}
