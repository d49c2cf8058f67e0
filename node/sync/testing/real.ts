/** A real chain with real signatures: what nodes on a network would hold, made by one process. */
import { bitmapOf } from "../../../consensus/certificates.ts";
import { encodeCertificate } from "../../../consensus/codec.ts";
import { type Domain, type Scheme, voteDigest } from "../../../consensus/scheme.ts";
import { baseView, type Certificate, epochOfHeight, KIND, type Subject } from "../../../consensus/types.ts";
import { type ValidatorSet, validatorSet } from "../../../consensus/validators.ts";
import { blsAggregate, blsSign, blsVerify } from "../../../core/bls.ts";
import { bigIntToFixed, bytesToHex, concatBytes, hexToBytes } from "../../../core/bytes.ts";
import type { Transaction } from "../../../core/chain.ts";
import { initCode } from "../../../execution/testing/programs.ts";
import { COINBASE } from "../../../execution/testing/world.ts";
import type { Genesis } from "../../../genesis/schema.ts";
import { testValidator } from "../../../genesis/testing/validators.ts";
import { Chain } from "../../chain.ts";
import { CHAIN_ID, contract, FakeStore, rich, signed, testGenesis } from "../../testing/world.ts";

export const REAL_DOMAIN: Domain = { chainId: CHAIN_ID, l1Contract: new Uint8Array(20) };
export const REAL_SCHEME: Scheme = { verify: blsVerify, aggregate: blsAggregate };

const VALIDATORS = Array.from({ length: 7 }, (_, index) => testValidator(index, BigInt(index + 1)));
const SECRETS = new Map(VALIDATORS.map(({ publicKey, secretKey }) => [bytesToHex(publicKey), secretKey]));

export const setOfValidators = (...indices: number[]): ValidatorSet =>
  validatorSet(
    indices.map((index) => {
      const { address, publicKey, stake } = VALIDATORS[index]!;
      return { address, publicKey, stake };
    }),
  );

/** Writes its second word of calldata to the slot that the first one names. */
export const STORE = new Uint8Array(20).fill(0xd1);
const STORE_CODE = hexToBytes("0x6020355f355500");

export function realGenesis(epochBlocks: number, changes: Genesis["validatorChanges"] = []): Genesis {
  return testGenesis([...[0, 1, 2, 3, 4].map((index) => rich(index)), contract(STORE, STORE_CODE)], {
    consensus: { epochBlocks },
    validators: setOfValidators(0, 1, 2, 3),
    validatorChanges: changes,
  });
}

/** All of the set sign, except its first validator. */
export function certifyReal(subject: Omit<Subject, "kind">, set: ValidatorSet): Certificate {
  const finalize: Subject = { ...subject, kind: KIND.finalize };
  const digest = voteDigest(REAL_DOMAIN, set.hash, finalize);
  const signers = set.validators.map((_, index) => index).slice(set.validators.length > 3 ? 1 : 0);
  const signatures = signers.map((index) =>
    blsSign(SECRETS.get(bytesToHex(set.validators[index]!.publicKey))!, digest),
  );
  const bitmap = bitmapOf(signers, set.validators.length);
  return { ...finalize, bitmap, signature: blsAggregate(signatures)! };
}

export async function openReal(genesis: Genesis, store = new FakeStore()): Promise<Chain> {
  return Chain.open(store, genesis, []);
}

/**
 * Adds blocks up to `height`: transfers to ever new accounts, slots written, overwritten and cleared, contracts created.
 * Every third block has a certificate, and the last one of each epoch, and the last of all.
 */
export async function extendReal(chain: Chain, epochBlocks: number, height: number): Promise<void> {
  for (let number = Number(chain.head.number) + 1; number <= height; number++) {
    const { block } = await chain.propose({
      candidates: transactionsOf(number),
      timestamp: BigInt(1_700_000_000 + number),
      feeAddress: COINBASE,
      isOutOfTime: () => false,
    });
    const isCertified = number % 3 === 0 || (number + 1) % epochBlocks === 0 || number === height;
    const certificate = isCertified
      ? encodeCertificate(certificateOf(chain, epochBlocks, number, block.hash))
      : undefined;
    await chain.commitThrough(block.hash, certificate);
  }
}

export function certificateOf(chain: Chain, epochBlocks: number, number: number, block: Uint8Array): Certificate {
  const epoch = epochOfHeight(number, epochBlocks);
  const view = baseView(epoch) + 1 + 2 * (number % epochBlocks);
  return certifyReal({ epoch, view, parentView: view - 1, block }, chain.validatorSet(epoch)!);
}

const word = (value: number): Uint8Array => bigIntToFixed(BigInt(value), 32);

/** Sender 0 has made `number - 1` transactions before block `number`, and so on. */
function transactionsOf(number: number): Transaction[] {
  const nonce = BigInt(number - 1);
  const slot = number % 17;
  const value = number % 5 === 0 ? 0 : number;
  const transfer = signed(0, nonce, { to: bigIntToFixed(BigInt(0x10000 + number), 20) });
  const write = signed(1, nonce, {
    to: STORE,
    value: 0n,
    data: concatBytes(word(slot), word(value)),
    gasLimit: 60_000n,
  });
  const code = concatBytes(hexToBytes("0x5f355f5500"), Uint8Array.of(number & 255, number >> 8));
  const data = initCode(code, concatBytes(hexToBytes("0x6001"), hexToBytes("0x5f55")));
  const create = signed(2, nonce, { to: undefined as never, value: 0n, data, gasLimit: 200_000n });
  return number % 2 === 0 ? [transfer, write, create] : [transfer, write, signed(2, nonce)];
}
