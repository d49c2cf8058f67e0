/** An imported chain: from files to a data directory, from there to JSON-RPC. */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { createBlockHeaderFromRPC } from "@ethereumjs/block";
import { createPublicClient, http, keccak256, toRlp } from "viem";
import { beforeAll, describe, expect, test } from "vitest";
import { bytesToHex, concatBytes } from "../../core/bytes.ts";
import { LAST_BLOCK, type MadeChain, MERGE_BLOCK, makeForeignChain } from "../../execution/testing/foreign-chain.ts";
import { CONTRACTS, SENDERS } from "../../execution/testing/world.ts";
import { openDataDirectory } from "../data-directory.ts";
import { importForeign } from "../db-cli/import.ts";
import { runImport } from "../db-cli/import-cli.ts";
import { DataError, OperationError, UsageError } from "../errors.ts";
import { createLog } from "../log.ts";
import { rpcConfig } from "../rpc-options.ts";
import { ForeignChain } from "./chain.ts";
import { isForeignDirectory, readMarker } from "./directory.ts";
import { serveForeign } from "./run.ts";

let made: MadeChain;
let folder: string;
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  made = await makeForeignChain(7);
  folder = mkdtempSync(join(tmpdir(), "foreign-"));
  writeFileSync(at("genesis.json"), made.genesis);
  writeFileSync(at("chain.rlp"), concatBytes(...made.blocks));
});

const head = async (datadir: string) => {
  const directory = await openDataDirectory(datadir, false);
  try {
    return (await ForeignChain.open(directory.store, readMarker(datadir))).head;
  } finally {
    await directory.close();
  }
};

const LOG = createLog("silent", "json");
const quiet = async <T>(run: () => Promise<T>): Promise<T> => {
  const { write } = process.stdout;
  process.stdout.write = () => true;
  try {
    return await run();
  } finally {
    process.stdout.write = write;
  }
};
const importing = (datadir: string, ...args: string[]) => quiet(() => runImport([...args, "--datadir", at(datadir)]));

describe("openledger import", () => {
  test("makes a chain of a genesis file and blocks, compressed or not", async () => {
    writeFileSync(at("chain.rlp.gz"), gzipSync(readFileSync(at("chain.rlp"))));
    expect(isForeignDirectory(at("zipped"))).toBe(false);
    expect(await importing("zipped", "--genesis", at("genesis.json"), "--blocks", at("chain.rlp.gz"))).toBe(0);
    expect(isForeignDirectory(at("zipped"))).toBe(true);
    expect((await head(at("zipped"))).number).toBe(LAST_BLOCK);
  });

  test("that was interrupted goes on where it ended, and says when nothing is left", async () => {
    expect(await importing("twice", "--genesis", at("genesis.json"), "--blocks", at("chain.rlp"))).toBe(0);
    const directory = await openDataDirectory(at("interrupted"), false);
    const chain = await ForeignChain.open(directory.store, readMarker(at("twice")));
    let blocks = 0;
    const stopping = { isStopping: () => blocks === 10, onBlock: () => void blocks++ };
    expect(await importForeign(chain, at("chain.rlp"), stopping)).toMatchObject({ added: 10, isInterrupted: true });
    const goOn = { isStopping: () => false, onBlock() {} };
    const all = Number(LAST_BLOCK);
    expect(await importForeign(chain, at("chain.rlp"), goOn)).toMatchObject({ known: 10, added: all - 10 });
    expect(await importForeign(chain, at("chain.rlp"), goOn)).toMatchObject({ known: all, added: 0 });
    expect(chain.head).toEqual(await head(at("twice")));
    await directory.close();
  });

  test("of a file that is cut off or goes wrong keeps what was valid", async () => {
    const blocks = made.blocks.slice(0, 20);
    writeFileSync(at("cut.rlp"), concatBytes(...blocks).slice(0, -7));
    await expect(importing("cut", at("cut.rlp"), "--genesis", at("genesis.json"))).rejects.toThrow(
      /cut\.rlp ends within a block, \d+ bytes after byte \d+/,
    );
    expect((await head(at("cut"))).number).toBe(19n);
    const wrong = Uint8Array.from(blocks[19]!);
    wrong[wrong.length - 1]! ^= 1; // of the last transaction's signature, or the end of a list
    writeFileSync(at("wrong.rlp"), concatBytes(...blocks.slice(0, 19), wrong));
    await expect(importing("cut", at("wrong.rlp"))).rejects.toThrow(OperationError);
    expect((await head(at("cut"))).number).toBe(19n);
    // And the rest comes as if nothing had been.
    expect(await importing("cut", at("chain.rlp"))).toBe(0);
    expect((await head(at("cut"))).number).toBe(LAST_BLOCK);
  });

  test("refuses what does not belong together, and says what to do", async () => {
    await importing("first", at("cut.rlp"), "--genesis", at("genesis.json")).catch(() => {});
    const other = JSON.parse(made.genesis);
    writeFileSync(at("forked.json"), JSON.stringify({ ...other, config: { ...other.config, londonBlock: 23 } }));
    const forked = importing("first", at("chain.rlp"), "--genesis", at("forked.json"));
    await expect(forked).rejects.toThrow(DataError);
    await expect(forked).rejects.toThrow(/another genesis.*--datadir/);
    const elsewhere = await makeForeignChain(8);
    writeFileSync(at("elsewhere.rlp"), concatBytes(...elsewhere.blocks));
    await expect(importing("first", at("elsewhere.rlp"))).rejects.toThrow(
      /is of another chain: it has 0x.* as block 1/,
    );
    writeFileSync(at("text.rlp"), "blocks");
    await expect(importing("first", at("text.rlp"))).rejects.toThrow(/is no file of RLP blocks/);
    writeFileSync(at("huge.rlp"), Uint8Array.of(0xfb, 0xff, 0xff, 0xff, 0xff));
    await expect(importing("first", at("huge.rlp"))).rejects.toThrow(/item of 4294967295 bytes/);
    await expect(importing("first")).rejects.toThrow(UsageError);
    await expect(importing("none", at("chain.rlp"), "--genesis", at("missing.json"))).rejects.toThrow(OperationError);
  });
});

describe("JSON-RPC over it", () => {
  test("shows every fork's blocks, and calls run by the rules of theirs", async () => {
    await importing("served", at("chain.rlp"), "--genesis", at("genesis.json"));
    const directory = await openDataDirectory(at("served"), false);
    const listener = { address: "127.0.0.1", port: 0, corsOrigins: [], apis: ["eth"], rpc: rpcConfig({}) };
    const served = await serveForeign(directory, { listener, vhosts: [] }, LOG);
    try {
      const client = createPublicClient({ transport: http(served.url) });
      const ask = (method: string, params: unknown[]) => client.request({ method, params } as never) as Promise<never>;
      expect(await client.getBlockNumber()).toBe(LAST_BLOCK);

      // Headers have the fields of their fork, and only those: they hash to their hash.
      for (let number = 0; number <= Number(LAST_BLOCK); number++) {
        const block: Record<string, `0x${string}`> = await ask("eth_getBlockByNumber", [
          `0x${number.toString(16)}`,
          false,
        ]);
        expect(keccak256(toRlp(headerFields(block)))).toBe(block.hash);
      }
      const first: Record<string, unknown> = await ask("eth_getBlockByNumber", ["0x1", true]);
      expect(Object.keys(first)).not.toContain("baseFeePerGas");
      expect(Object.keys(first)).not.toContain("withdrawals");
      const last: { withdrawals: unknown[]; size: string } = await ask("eth_getBlockByNumber", ["latest", true]);
      expect(last.withdrawals).toHaveLength(2);
      expect(Number(last.size)).toBe(made.blocks.at(-1)!.length);

      // An uncle by hash, number and index, with the hash that its nephew lists.
      const nephew: { uncles: string[] } = await ask("eth_getBlockByNumber", ["0x2", false]);
      const uncle: Record<string, `0x${string}`> = await ask("eth_getUncleByBlockNumberAndIndex", ["0x2", "0x0"]);
      expect(nephew.uncles).toEqual([uncle.hash]);
      expect(keccak256(toRlp(headerFields(uncle)))).toBe(uncle.hash);
      expect(await ask("eth_getUncleCountByBlockNumber", ["0x2"])).toBe("0x1");

      const [before]: Record<string, unknown>[] = await ask("eth_getBlockReceipts", ["0x1"]);
      expect([before!.status, before!.root]).toEqual([undefined, expect.stringMatching(/^0x[0-9a-f]{64}$/)]);
      const blob = await findTransaction(client, 3);
      const transaction: Record<string, unknown> = await ask("eth_getTransactionByHash", [blob]);
      expect(transaction).toMatchObject({ type: "0x3", blobVersionedHashes: [`0x01${"ab".repeat(31)}`] });
      expect(await ask("eth_getTransactionReceipt", [blob])).toMatchObject({ blobGasUsed: "0x20000", status: "0x1" });

      // What blobs cost is what receipts say, and the next block's fee follows from the last one's blobs.
      const { blockNumber, blobGasPrice }: Record<string, `0x${string}`> = await ask("eth_getTransactionReceipt", [
        blob,
      ]);
      type Fees = Record<"baseFeePerBlobGas" | "blobGasUsedRatio" | "baseFeePerGas", string[]>;
      const history: Fees = await ask("eth_feeHistory", [`0x${(LAST_BLOCK + 1n).toString(16)}`, "latest", []]);
      expect(history.baseFeePerBlobGas).toHaveLength(Number(LAST_BLOCK) + 2);
      expect(history.baseFeePerBlobGas[0]).toBe("0x0");
      expect(history.baseFeePerBlobGas[Number(blockNumber)]).toBe(blobGasPrice);
      expect(await ask("eth_blobBaseFee", [])).toBe(history.baseFeePerBlobGas.at(-2));
      const header = createBlockHeaderFromRPC(await ask("eth_getBlockByNumber", ["latest", false]), {
        common: served.chain.forks.common("osaka"),
      });
      expect(BigInt(history.baseFeePerBlobGas.at(-1)!)).toBe(header.calcNextBlobGasPrice(header.common));
      expect(BigInt(history.baseFeePerGas.at(-1)!)).toBe(header.calcNextBaseFee());
      const used: { blobGasUsed: string } = await ask("eth_getBlockByNumber", [blockNumber, false]);
      expect(history.blobGasUsedRatio[Number(blockNumber)]).toBe(Number(used.blobGasUsed) / (6 * 131_072));

      // PREVRANDAO was DIFFICULTY, PUSH0 was no opcode, and BASEFEE was not there.
      const run = (code: string, number: bigint) =>
        ask("eth_call", [
          { to: `0x${"f1".repeat(20)}` },
          `0x${number.toString(16)}`,
          { [`0x${"f1".repeat(20)}`]: { code } },
        ]);
      expect(await run("0x4460005260206000f3", 1n)).toBe(`0x${(131_072).toString(16).padStart(64, "0")}`);
      expect(await run("0x4460005260206000f3", MERGE_BLOCK)).not.toMatch(/^0x0{58}/);
      await expect(run("0x5f", MERGE_BLOCK)).rejects.toThrow(/invalid opcode/);
      expect(await run("0x5f", LAST_BLOCK)).toBe("0x");
      await expect(run("0x48", 1n)).rejects.toThrow(/invalid opcode/);

      const balances = await Promise.all(
        [0n, LAST_BLOCK].map((blockNumber) => client.getBalance({ address: bytesToHex(SENDERS[0]!), blockNumber })),
      );
      expect(balances[0]).toBe(10n ** 24n);
      expect(balances[1]).toBeLessThan(balances[0]!);
      const proof = await client.getProof({ address: bytesToHex(CONTRACTS[0]!), storageKeys: [], blockNumber: 3n });
      expect(keccak256(proof.accountProof[0]!)).toBe((await client.getBlock({ blockNumber: 3n })).stateRoot);

      await expect(client.sendRawTransaction({ serializedTransaction: "0x00" })).rejects.toThrow(
        /takes no transactions/,
      );
      await expect(ask("eth_simulateV1", [{ blockStateCalls: [{}] }])).rejects.toThrow(/does not exist/);
      // Only what --http.api names is offered.
      await expect(ask("net_version", [])).rejects.toThrow(/does not exist/);
      expect(await ask("rpc_modules", [])).toEqual({ eth: "1.0", rpc: "1.0" });
    } finally {
      await served.close();
      await directory.close();
    }
  });
});

async function findTransaction(client: ReturnType<typeof createPublicClient>, type: number): Promise<string> {
  for (let number = 0n; number <= LAST_BLOCK; number++) {
    const block = (await client.request({
      method: "eth_getBlockByNumber",
      params: [`0x${number.toString(16)}`, true],
    })) as unknown as { transactions: { type: string; hash: string }[] };
    const found = block.transactions.find((tx) => Number(tx.type) === type);
    if (found !== undefined) return found.hash;
  }
  throw new Error(`no transaction of type ${type}`);
}

/** In the order in which a header hashes them, as far as they are there. */
function headerFields(block: Record<string, `0x${string}`>): `0x${string}`[] {
  const bytes = ["parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom"];
  const numbers = ["difficulty", "number", "gasLimit", "gasUsed", "timestamp"];
  const later = ["withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot", "requestsHash"];
  const order = [...bytes, ...numbers, "extraData", "mixHash", "nonce", "baseFeePerGas", ...later];
  const isNumber = (name: string) => [...numbers, "baseFeePerGas", "blobGasUsed", "excessBlobGas"].includes(name);
  return order.flatMap((name) => {
    const value = block[name];
    if (value === undefined) return [];
    if (!isNumber(name)) return [value];
    const digits = BigInt(value) === 0n ? "" : BigInt(value).toString(16);
    return [`0x${digits.length % 2 === 1 ? "0" : ""}${digits}` as const];
  });
}
