/** fast-check generators of transactions for the property tests. */
import { bigIntMax, bigIntMin } from "@ethereumjs/util";
import fc from "fast-check";
import { bigIntToFixed } from "../../core/bytes.ts";
import { signAuthorization, type UnsignedTransaction } from "../tx/sign.ts";

export const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
export const uint = (bits: number) =>
  fc
    .tuple(fc.bigInt({ min: 0n, max: 2n ** BigInt(bits) - 1n }), fc.integer({ min: 0, max: bits }))
    .map(([value, shift]) => value >> BigInt(shift));
export const privateKey = fc.bigInt({ min: 1n, max: 2n ** 255n }).map((key) => bigIntToFixed(key, 32));

const accessList = fc.array(fc.record({ address: bytes(20), storageKeys: fc.array(bytes(32), { maxLength: 3 }) }), {
  maxLength: 3,
});
const authorization = fc
  .record({ chainId: uint(52), address: bytes(20), nonce: uint(52) })
  .chain((unsigned) => privateKey.map((key) => signAuthorization(unsigned, key)));

/** Any well-formed transaction of `chainId`, within what viem can read: nonces and chain ids are numbers there. */
export function unsignedTransaction(chainId: bigint): fc.Arbitrary<UnsignedTransaction> {
  return fc
    .record({
      type: fc.constantFrom<UnsignedTransaction["type"]>(0, 1, 2, 4),
      unprotected: fc.boolean(),
      to: fc.option(bytes(20), { nil: undefined }),
      fallbackTo: bytes(20),
      nonce: uint(52),
      gasLimit: uint(60),
      fees: fc.tuple(uint(120), uint(120)),
      value: uint(250),
      data: fc.oneof(fc.uint8Array({ maxLength: 100 }), fc.uint8Array({ minLength: 200, maxLength: 700 })),
      accessList,
      authorizationList: fc.array(authorization, { minLength: 1, maxLength: 2 }),
    })
    .map(({ type, unprotected, to, fallbackTo, fees: [a, b], ...tx }) => ({
      ...tx,
      type,
      chainId: type === 0 && unprotected ? undefined : chainId,
      to: type === 4 ? (to ?? fallbackTo) : to,
      maxFeePerGas: bigIntMax(a, b),
      maxPriorityFeePerGas: type <= 1 ? bigIntMax(a, b) : bigIntMin(a, b),
      accessList: type === 0 ? [] : tx.accessList,
      authorizationList: type === 4 ? tx.authorizationList : [],
    }));
}
