/**
 * `npm run chaos:node`: kills a running node with SIGKILL at random moments under load, again and again on one data
 * directory, and after each restart looks for anything lost or doubled. Prints `name value unit goal`.
 *
 *   --kills 50   --seed 1
 *
 * What it holds the node to, after every restart:
 * - every receipt that a client ever saw is there, in the same block, with the same logs;
 * - each sender's nonce equals the number of its transactions on the chain: none lost, none twice;
 * - the chain's own count of Datanets equals the number of DatanetCreated logs and of rows in the index;
 * - the index reaches the head and names the same block hash.
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import {
  createPublicClient,
  encodeFunctionData,
  type Hash,
  type Hex,
  http,
  type PublicClient,
  parseEventLogs,
  type TransactionReceipt,
} from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { datanetAbi } from "../../precompiles/interfaces/datanet.abi.ts";
import { type Devnet, startDevnet, temporaryDirectory } from "../helpers/devnet-process.ts";
import { seededRandom } from "../helpers/random.ts";

const DATANET = "0x0000000000000000000000000000000000000901";
const MNEMONIC = "test test test test test test test test test test test junk";
const SENDERS = Array.from({ length: 6 }, (_, addressIndex) => mnemonicToAccount(MNEMONIC, { addressIndex }));
/** A killed node's last moments of load vary; what was sent and never answered may or may not be on the chain. */
const LONGEST_LIFE_MS = 1_200;

interface Witness {
  /** Receipts that some client saw. */
  readonly receipts: Map<Hash, TransactionReceipt>;
  /** Those seen since the last restart; the older ones are looked up by sample. */
  readonly recent: Set<Hash>;
  highestBlock: bigint;
  /** What was counted up to a block that must stay as it is. */
  readonly counted: {
    number: bigint;
    hash: Hash | undefined;
    readonly bySender: Map<string, number>;
    datanets: number;
  };
}

const OLD_RECEIPTS_SAMPLED = 100;

/** Sends from every account until the node dies; remembers each receipt it sees. */
async function load(node: Devnet, witness: Witness, isOver: () => boolean): Promise<void> {
  const client = createPublicClient({ transport: http(node.rpcUrl, { retryCount: 0, timeout: 2_000 }) });
  const chainId = await client.getChainId();
  await Promise.all(
    SENDERS.map(async (account, i) => {
      try {
        let nonce = await client.getTransactionCount({ address: account.address, blockTag: "latest" });
        while (!isOver()) {
          const hashes: Hash[] = [];
          for (let n = 0; n < 4; n++) {
            const isDatanet = (nonce + i) % 3 === 0;
            const data: Hex = isDatanet
              ? encodeFunctionData({
                  abi: datanetAbi,
                  functionName: "createDatanet",
                  args: [`net ${i}-${nonce}`, "", "", 0, 2, 0, 0n],
                })
              : "0x";
            const serialized = await account.signTransaction({
              chainId,
              type: "eip1559",
              nonce: nonce++,
              to: isDatanet ? DATANET : (SENDERS[(i + 1) % SENDERS.length] as (typeof SENDERS)[0]).address,
              value: isDatanet ? 0n : 1n,
              data,
              gas: isDatanet ? 300_000n : 21_000n,
              maxFeePerGas: 100_000_000_000n,
              maxPriorityFeePerGas: 1_000_000n,
            });
            hashes.push(await client.sendRawTransaction({ serializedTransaction: serialized }));
          }
          for (const hash of hashes) {
            const receipt = await client.waitForTransactionReceipt({ hash, pollingInterval: 20, timeout: 5_000 });
            witness.receipts.set(hash, receipt);
            witness.recent.add(hash);
            if (receipt.blockNumber > witness.highestBlock) witness.highestBlock = receipt.blockNumber;
          }
        }
      } catch {
        // The node is gone, in the middle of whatever this was: that is the point.
      }
    }),
  );
}

function fail(message: string): never {
  throw new Error(message);
}

async function verify(node: Devnet, witness: Witness, random: () => number): Promise<void> {
  const client = createPublicClient({ transport: http(node.rpcUrl) });
  const head = await client.getBlock();
  if (head.number < witness.highestBlock) {
    fail(`head ${head.number} is below block ${witness.highestBlock}, which a client saw`);
  }
  const all = [...witness.receipts.keys()];
  const sample = Array.from({ length: OLD_RECEIPTS_SAMPLED }, () => all[Math.floor(random() * all.length)]);
  for (const hash of new Set([...witness.recent, ...sample])) {
    if (hash !== undefined) await verifyReceipt(client, hash, witness);
  }
  witness.recent.clear();
  await countBlocks(client, head.number, witness.counted);
  for (const { address } of SENDERS) {
    const nonce = await client.getTransactionCount({ address, blockNumber: head.number });
    const found = witness.counted.bySender.get(address.toLowerCase()) ?? 0;
    if (nonce !== found) fail(`${address} has nonce ${nonce} and ${found} transactions on the chain`);
  }
  const datanets = await datanetCount(client, head.number);
  if (datanets !== witness.counted.datanets) {
    fail(`${datanets} Datanets in the state, ${witness.counted.datanets} DatanetCreated logs`);
  }
  await verifyIndex(node, client);
}

async function verifyReceipt(client: PublicClient, hash: Hash, { receipts }: Witness): Promise<void> {
  const seen = receipts.get(hash) as TransactionReceipt;
  const now = await client
    .getTransactionReceipt({ hash })
    .catch(() => fail(`receipt of ${hash} in block ${seen.blockNumber} is lost`));
  if (now.blockHash !== seen.blockHash || now.logs.length !== seen.logs.length) fail(`receipt of ${hash} changed`);
}

async function datanetCount(client: PublicClient, blockNumber: bigint): Promise<number> {
  const call = { address: DATANET, abi: datanetAbi, functionName: "datanetCount", blockNumber } as const;
  return Number(await client.readContract(call));
}

/** Adds the blocks since the last count: transactions by sender and DatanetCreated events, from the blocks themselves. */
async function countBlocks(client: PublicClient, head: bigint, counted: Witness["counted"]): Promise<void> {
  for (let number = counted.number + 1n; number <= head; number++) {
    const block = await client.getBlock({ blockNumber: number, includeTransactions: true });
    if (counted.hash !== undefined && block.parentHash !== counted.hash) {
      fail(`block ${number} does not stand on the block ${number - 1n} that was there before`);
    }
    for (const tx of block.transactions) counted.bySender.set(tx.from, (counted.bySender.get(tx.from) ?? 0) + 1);
    const logs = await client.getLogs({ address: DATANET, blockHash: block.hash });
    counted.datanets += parseEventLogs({ abi: datanetAbi, eventName: "DatanetCreated", logs }).length;
    counted.number = number;
    counted.hash = block.hash;
  }
}

async function graphql<T>(node: Devnet, query: string): Promise<T> {
  const response = await fetch(node.graphqlUrl, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query }),
  });
  const { data, errors } = (await response.json()) as { data: T; errors?: { message: string }[] };
  if (errors !== undefined) fail(errors.map((error) => error.message).join("; "));
  return data;
}

/** Compares at one block: the index's own position, read in one query with the counts. */
async function verifyIndex(node: Devnet, client: PublicClient): Promise<void> {
  const target = await client.getBlockNumber({ cacheTime: 0 });
  for (let attempt = 0; attempt < 400; attempt++) {
    const { _meta, datanets } = await graphql<{
      _meta: { block: { number: string; hash: Hash }; hasIndexingErrors: boolean };
      datanets: { totalCount: number };
    }>(node, "{ _meta { block { number hash } hasIndexingErrors } datanets(first: 1) { totalCount } }");
    if (_meta.hasIndexingErrors) fail("the index reports errors");
    if (BigInt(_meta.block.number) < target) {
      await delay(25);
      continue;
    }
    const blockNumber = BigInt(_meta.block.number);
    const block = await client.getBlock({ blockNumber });
    if (block.hash !== _meta.block.hash)
      fail(`the index names ${_meta.block.hash} for block ${blockNumber}, the chain ${block.hash}`);
    const chain = await datanetCount(client, blockNumber);
    if (chain !== datanets.totalCount) {
      fail(`index has ${datanets.totalCount} Datanets at block ${blockNumber}, the chain ${chain}`);
    }
    return;
  }
  fail(`the index did not reach block ${target}`);
}

/** Returns what it saw. Throws with the seed, the round and the finding. */
export async function killAndVerify(
  kills: number,
  seed: number,
): Promise<{ readonly receipts: number; readonly head: bigint }> {
  const random = seededRandom(seed);
  const directory = temporaryDirectory();
  const witness: Witness = {
    receipts: new Map(),
    recent: new Set(),
    highestBlock: 0n,
    counted: { number: -1n, hash: undefined, bySender: new Map(), datanets: 0 },
  };
  try {
    for (let round = 0; round <= kills; round++) {
      const node = await startDevnet(directory.path);
      try {
        await verify(node, witness, random);
        if (round === kills) break;
        let isOver = false;
        const loading = load(node, witness, () => isOver);
        await delay(random() * LONGEST_LIFE_MS);
        await node.stop("SIGKILL");
        isOver = true;
        await loading;
      } catch (error) {
        throw new Error(`seed ${seed}, restart ${round}: ${(error as Error).message}\n${node.output().slice(-2_000)}`, {
          cause: error,
        });
      } finally {
        await node.stop("SIGKILL");
      }
    }
    return { receipts: witness.receipts.size, head: witness.highestBlock };
  } finally {
    directory.remove();
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { kills: { type: "string", default: "50" }, seed: { type: "string", default: "1" } },
  });
  const kills = Number(values.kills);
  const { receipts, head } = await killAndVerify(kills, Number(values.seed));
  process.stdout.write(`kills_survived ${kills} restarts ${kills}\n`);
  process.stdout.write(`receipts_lost_or_changed 0 of_${receipts} 0\n`);
  process.stdout.write(`highest_block ${head} block -\n`);
}
