/**
 * Ethereum's state tests as files have them (`GeneralStateTests` of ethereum/tests, `state_tests` of
 * execution-spec-tests): a state, a block's environment and a transaction with alternatives of its data, gas limit and
 * value; for each fork and each choice of these, the state root and the hash of the logs afterwards.
 */
import { bytesToBigInt, type Hex, hexToBytes } from "../../core/bytes.ts";

export interface StateTest {
  readonly name: string;
  readonly chainId: bigint;
  readonly env: Environment;
  readonly pre: readonly PreAccount[];
  readonly transaction: TransactionChoices;
  /** By fork, in the file's words. */
  readonly post: ReadonlyMap<string, readonly Expectation[]>;
  /** By fork in lower case, where a file says so: [target, max, base fee update fraction]. */
  readonly blobs: ReadonlyMap<string, readonly [bigint, bigint, bigint]>;
}

export interface Environment {
  readonly coinbase: Uint8Array;
  readonly gasLimit: bigint;
  readonly number: bigint;
  readonly timestamp: bigint;
  readonly difficulty: bigint;
  readonly baseFee: bigint | undefined;
  readonly random: Uint8Array | undefined;
  readonly excessBlobGas: bigint | undefined;
}

export interface PreAccount {
  readonly address: Uint8Array;
  readonly nonce: bigint;
  readonly balance: bigint;
  readonly code: Uint8Array;
  /** 32-byte slot; value without leading zeros. */
  readonly storage: readonly (readonly [Uint8Array, Uint8Array])[];
}

type Words = Readonly<Record<string, unknown>>;

export interface TransactionChoices {
  /** As in the file: what no choice is made of. */
  readonly fields: Words;
  readonly data: readonly string[];
  readonly gasLimit: readonly string[];
  readonly value: readonly string[];
  /** By index of `data`; undefined: none. */
  readonly accessLists: readonly (readonly AccessEntry[] | undefined)[];
}

export interface AccessEntry {
  readonly address: Hex;
  readonly storageKeys: readonly Hex[];
}

export interface Expectation {
  readonly indexes: { readonly data: number; readonly gas: number; readonly value: number };
  /** Of the state afterwards. */
  readonly hash: string;
  /** keccak256 of the RLP of the logs. */
  readonly logs: string;
  /** The signed transaction, where the file has it. */
  readonly txbytes: Uint8Array | undefined;
  /** The transaction must be refused. */
  readonly isRefused: boolean;
}

/** All tests of a file. Throws for what is none. */
export function parseStateTests(text: string): StateTest[] {
  const file = JSON.parse(text) as Record<string, unknown>;
  return Object.entries(file).map(([name, test]) => parseStateTest(name, test as Words));
}

function parseStateTest(name: string, test: Words): StateTest {
  if (test.env === undefined || test.pre === undefined || test.transaction === undefined || test.post === undefined) {
    throw new Error(`${name} is no state test: it needs env, pre, transaction and post`);
  }
  const env = test.env as Words;
  const transaction = test.transaction as Words;
  const config = (test.config ?? {}) as Words;
  const post = Object.entries(test.post as Record<string, Words[]>);
  const schedule = Object.entries((config.blobSchedule ?? {}) as Record<string, Words>);
  return {
    name,
    chainId: config.chainid === undefined ? 1n : number(config.chainid),
    env: {
      coinbase: bytes(env.currentCoinbase),
      gasLimit: number(env.currentGasLimit),
      number: number(env.currentNumber),
      timestamp: number(env.currentTimestamp),
      difficulty: number(env.currentDifficulty ?? "0x0"),
      baseFee: env.currentBaseFee === undefined ? undefined : number(env.currentBaseFee),
      random: env.currentRandom === undefined ? undefined : word(env.currentRandom),
      excessBlobGas: env.currentExcessBlobGas === undefined ? undefined : number(env.currentExcessBlobGas),
    },
    pre: Object.entries(test.pre as Record<string, Words>).map(([address, account]) => ({
      address: bytes(address),
      nonce: number(account.nonce),
      balance: number(account.balance),
      code: bytes(account.code),
      storage: Object.entries(account.storage as Record<string, string>).map(([slot, value]) => [
        word(slot),
        trimmed(word(value)),
      ]),
    })),
    transaction: {
      fields: transaction,
      data: transaction.data as string[],
      gasLimit: transaction.gasLimit as string[],
      value: transaction.value as string[],
      accessLists: (transaction.accessLists ?? []) as AccessEntry[][],
    },
    post: new Map(post.map(([fork, cases]) => [fork, cases.map(parseExpectation)])),
    blobs: new Map(
      schedule.map(([fork, { target, max, baseFeeUpdateFraction }]) => [
        fork.toLowerCase(),
        [number(target), number(max), number(baseFeeUpdateFraction)],
      ]),
    ),
  };
}

const parseExpectation = ({ indexes, hash, logs, txbytes, expectException }: Words): Expectation => ({
  indexes: indexes as Expectation["indexes"],
  hash: String(hash),
  logs: String(logs),
  txbytes: txbytes === undefined ? undefined : bytes(txbytes),
  isRefused: expectException !== undefined,
});

/** Hex or decimal, as these files have both; a value that is out of any range is left to the transaction's rules. */
export function number(value: unknown): bigint {
  const text = String(value).replace(/^0x:bigint 0x/, "0x");
  return text === "0x" || text === "" ? 0n : BigInt(text);
}

export function bytes(value: unknown): Uint8Array {
  const digits = String(value ?? "").replace(/^0x/, "");
  return hexToBytes(`0x${digits.length % 2 === 1 ? "0" : ""}${digits}`);
}

/** 32 bytes. */
const word = (value: unknown): Uint8Array => hexToBytes(`0x${number(value).toString(16).padStart(64, "0")}`);

const trimmed = (value: Uint8Array): Uint8Array => {
  const digits = bytesToBigInt(value).toString(16);
  return digits === "0" ? new Uint8Array(0) : bytes(digits);
};
