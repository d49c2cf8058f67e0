import { createBlockHeader, paramsBlock } from "@ethereumjs/block";
import { Common, Hardfork, Hoodi, Mainnet, Sepolia } from "@ethereumjs/common";
import fc from "fast-check";
import { expect, test } from "vitest";
import { keccak256 } from "../core/crypto.ts";
import { blobBaseFee, hashL1Header, type L1Header, updateFraction } from "./l1-header.ts";

const word = (value: number) => keccak256(Uint8Array.of(value));
const FULL: L1Header = {
  parentHash: word(1),
  uncleHash: word(2),
  coinbase: word(3).slice(12),
  stateRoot: word(4),
  transactionsRoot: word(5),
  receiptsRoot: word(6),
  logsBloom: new Uint8Array(256).fill(7),
  difficulty: 0n,
  number: 25_000_000n,
  gasLimit: 60_000_000n,
  gasUsed: 12_345n,
  timestamp: 1_760_000_000n,
  extraData: Uint8Array.of(1, 2, 3),
  mixHash: word(8),
  nonce: new Uint8Array(8),
  baseFeePerGas: 7n,
  withdrawalsRoot: word(9),
  blobGasUsed: 131_072n,
  excessBlobGas: 0n,
  parentBeaconBlockRoot: word(10),
  requestsHash: word(11),
};
const TAIL = [
  "baseFeePerGas",
  "withdrawalsRoot",
  "blobGasUsed",
  "excessBlobGas",
  "parentBeaconBlockRoot",
  "requestsHash",
] as const;

test("hashes the headers of every fork as @ethereumjs/block does", () => {
  const forks: [Hardfork, number][] = [
    [Hardfork.Chainstart, 0],
    [Hardfork.London, 1],
    [Hardfork.Shanghai, 2],
    [Hardfork.Cancun, 5],
    [Hardfork.Prague, 6],
    [Hardfork.Osaka, 6],
  ];
  for (const [hardfork, fields] of forks) {
    const header = { ...FULL, ...Object.fromEntries(TAIL.slice(fields).map((name) => [name, undefined])) } as L1Header;
    const common = new Common({ chain: Mainnet, hardfork });
    const { transactionsRoot: transactionsTrie, receiptsRoot: receiptTrie, ...rest } = header;
    const named = { ...rest, transactionsTrie, receiptTrie };
    const data = Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
    const theirs = createBlockHeader(data, { common, skipConsensusFormatValidation: true });
    expect(hashL1Header(header), hardfork).toEqual(theirs.hash());
  }
});

test("a field that is missing before another belongs to no fork", () => {
  for (const name of TAIL.slice(0, -1)) expect(hashL1Header({ ...FULL, [name]: undefined })).toBeUndefined();
});

test("the blob base fee is EIP-4844's", () => {
  const common = new Common({ chain: Mainnet, hardfork: Hardfork.Prague });
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 300_000_000n }), (excessBlobGas) => {
      const theirs = createBlockHeader({ excessBlobGas }, { common });
      expect(blobBaseFee(excessBlobGas, 5_007_716n)).toBe(theirs.getBlobGasPrice());
    }),
  );
  expect(blobBaseFee(undefined, 3_338_477n)).toBe(1n);
  expect(blobBaseFee(2n ** 64n, 3_338_477n)).toBe(blobBaseFee(2n ** 32n, 3_338_477n));
});

test("the schedules are those of @ethereumjs/common", () => {
  for (const chain of [Mainnet, Sepolia, Hoodi]) {
    const times = chain.hardforks.flatMap(({ timestamp }) => (timestamp === undefined ? [] : [BigInt(timestamp)]));
    const common = new Common({ chain, params: paramsBlock });
    for (const time of times.flatMap((at) => (at === 0n ? [] : [at - 1n, at]))) {
      common.setHardforkBy({ blockNumber: 100_000_000n, timestamp: time });
      if (!common.gteHardfork(Hardfork.Cancun)) continue;
      const { blobGasPriceUpdateFraction } = common.getBlobGasSchedule();
      expect(updateFraction(BigInt(chain.chainId), time), `${chain.name} ${time}`).toBe(blobGasPriceUpdateFraction);
    }
  }
  expect(updateFraction(31_337n, 0n)).toBe(5_007_716n);
});
