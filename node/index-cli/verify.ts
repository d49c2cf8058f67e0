/**
 * Compares an index with the chain's state at the block that it ends with: what the index says of itself adds up, and a
 * sample of its rows is what the precompiles hold. Each check is a line; nothing is changed.
 */
import { type Kysely, sql } from "kysely";
import { type Abi, createPublicClient, type Hex, http, type PublicClient, parseAbi } from "viem";
import { ATTRIBUTION_ADDRESS, DATANET_ADDRESS, MESSAGE_PASSER_ADDRESS, MODELS_ADDRESS } from "../../core/addresses.ts";
import { bytesToHex } from "../../core/bytes.ts";
import { DatanetTree } from "../../core/datanet-tree.ts";
import { INFERENCE_STATE, REWARD_KIND } from "../../indexer/codes.ts";
import { openReader } from "../../indexer/database.ts";
import { type Database, type Stored, type TableName, tableShape } from "../../indexer/tables.ts";
import { readCheckpoint } from "../../indexer/writer.ts";
import { attributionAbi } from "../../precompiles/interfaces/attribution.abi.ts";
import { datanetAbi } from "../../precompiles/interfaces/datanet.abi.ts";
import { modelsAbi } from "../../precompiles/interfaces/models.abi.ts";
import { OperationError } from "../errors.ts";

export interface CheckResult {
  readonly name: string;
  /** Things compared. */
  readonly compared: number;
  /** Each says what differs; at most MAX_FAILURES. */
  readonly failures: readonly string[];
}

const MAX_FAILURES = 10;
/** Comparisons with the chain that are under way at once. */
const AT_ONCE = 64;

export interface VerifyOptions {
  readonly location: string;
  readonly rpc: string;
  /** Rows of each kind that are compared with the chain: the first, the last and random ones; 0: all. */
  readonly sample: number;
}

/** Throws OperationError where there is no index, or no node at `rpc` that has its last block. */
export async function* verifyIndex({ location, rpc, sample }: VerifyOptions): AsyncGenerator<CheckResult> {
  const db = openReader(location, { connections: 1 });
  try {
    const snapshot = await db.startTransaction().execute();
    try {
      const checkpoint = await readCheckpoint(snapshot);
      if (checkpoint === undefined) throw new OperationError("the index is empty: there is nothing to verify");
      const client = createPublicClient({ transport: http(rpc, { batch: { batchSize: AT_ONCE } }) });
      const verifier = new Verifier(snapshot, client, { rpc, block: checkpoint.block, sample });
      for (const check of verifier.checks) yield await check();
    } finally {
      await snapshot.rollback().execute();
    }
  } finally {
    await db.destroy();
  }
}

class Verifier {
  readonly checks: readonly (() => Promise<CheckResult>)[] = [
    () => this.#blocks(),
    () => this.#counts(),
    () => this.#datanets(),
    () => this.#versions(),
    () => this.#contributions(),
    () => this.#models(),
    () => this.#inferences(),
    () => this.#accounts(),
    () => this.#sums("accounts add up to their rewards", "accounts", "address", "accrued", "rewards", "account"),
    () => this.#sums("accounts add up to their claims", "accounts", "address", "claimed", "claims", "account"),
    () => this.#contributionSums(),
    () => this.#fees(),
  ];
  readonly #db: Kysely<Database>;
  readonly #client: PublicClient;
  readonly #rpc: string;
  readonly #block: number;
  readonly #sample: number;

  constructor(
    db: Kysely<Database>,
    client: PublicClient,
    of: { readonly rpc: string; readonly block: number; readonly sample: number },
  ) {
    this.#db = db;
    this.#client = client;
    this.#rpc = of.rpc;
    this.#block = of.block;
    this.#sample = of.sample;
  }

  async #blocks(): Promise<CheckResult> {
    const failures: string[] = [];
    const { count } = await this.#db
      .selectFrom("blocks")
      .select(sql<number>`count(*)`.as("count"))
      .executeTakeFirstOrThrow();
    if (count !== this.#block + 1) failures.push(`${count} blocks up to block ${this.#block}`);
    const { rows } = await sql<{ block: number }>`
      SELECT b."block" FROM "blocks" a JOIN "blocks" b ON b."block" = a."block" + 1
      WHERE b."parent_hash" <> a."hash" LIMIT ${MAX_FAILURES}`.execute(this.#db);
    failures.push(...rows.map(({ block }) => `block ${block} does not name its parent`));
    return await this.#compare("blocks", "blocks", failures, async ({ block, hash, timestamp }) => {
      const onChain = await this.#client.getBlock({ blockNumber: BigInt(block) }).catch(this.#unanswered);
      return [
        [`hash of block ${block}`, bytesToHex(hash), onChain.hash],
        [`time of block ${block}`, BigInt(timestamp), onChain.timestamp],
      ];
    });
  }

  async #counts(): Promise<CheckResult> {
    const onChain: readonly (readonly [TableName, Promise<unknown>])[] = [
      ["datanets", this.#read(DATANET_ADDRESS, datanetAbi, "datanetCount")],
      ["contributions", this.#read(DATANET_ADDRESS, datanetAbi, "contributionCount")],
      ["models", this.#read(MODELS_ADDRESS, modelsAbi, "modelCount")],
      ["inferences", this.#read(ATTRIBUTION_ADDRESS, attributionAbi, "inferenceCount")],
      ["withdrawals", this.#withdrawals()],
    ];
    const failures: string[] = [];
    for (const [table, expected] of onChain) {
      const count = BigInt(await this.#count(table));
      const wanted = await expected;
      if (count !== wanted) failures.push(`${table}: ${count} in the index, ${wanted} on the chain`);
    }
    return { name: "counts", compared: onChain.length, failures };
  }

  /** The message passer's nonce counts them; its two highest bytes are a version. 0 where there is no bridge. */
  async #withdrawals(): Promise<bigint> {
    const address = bytesToHex(MESSAGE_PASSER_ADDRESS);
    const code = await this.#client.getCode({ address, blockNumber: BigInt(this.#block) }).catch(this.#unanswered);
    if (code === undefined || code === "0x") return 0n;
    const abi = parseAbi(["function messageNonce() view returns (uint256)"]);
    return BigInt.asUintN(240, (await this.#read(MESSAGE_PASSER_ADDRESS, abi, "messageNonce")) as bigint);
  }

  #datanets(): Promise<CheckResult> {
    return this.#compare("Datanets", "datanets", [], async ({ id, owner, licence, bond }) => {
      const chain = await this.#read<Record<string, unknown>>(DATANET_ADDRESS, datanetAbi, "datanet", BigInt(id));
      const { accepted } = await this.#db
        .selectFrom("contributions")
        .select(sql<number>`count("leaf_index")`.as("accepted"))
        .where("datanet", "=", id)
        .where("valid_to", "is", null)
        .executeTakeFirstOrThrow();
      const { versions } = await this.#db
        .selectFrom("versions")
        .select(sql<number>`count(*)`.as("versions"))
        .where("datanet", "=", id)
        .executeTakeFirstOrThrow();
      const name = `Datanet ${id}`;
      return [
        [`${name} owner`, bytesToHex(owner), lower(chain.owner)],
        [`${name} licence`, licence, chain.licence],
        [`${name} bond`, bond, chain.bond],
        [`${name} accepted contributions`, accepted, chain.accepted],
        [`${name} versions`, versions, chain.versions],
      ];
    });
  }

  /** The root is computed again from the contributions that the index has. */
  #versions(): Promise<CheckResult> {
    return this.#compare("roots of versions", "versions", [], async ({ datanet, version, count, root }) => {
      const chain = await this.#read<{ count: number; root: Hex }>(
        DATANET_ADDRESS,
        datanetAbi,
        "version",
        BigInt(datanet),
        version,
      );
      const leaves = await this.#db
        .selectFrom("contributions")
        .selectAll()
        .where("datanet", "=", datanet)
        .where("leaf_index", "<", count)
        .where("valid_to", "is", null)
        .orderBy("leaf_index")
        .execute();
      const tree = new DatanetTree();
      for (const { id, content_root, size, contributor, licence } of leaves) {
        tree.append({ contributionId: BigInt(id), contentRoot: content_root, size, contributor, licence });
      }
      const name = `Datanet ${datanet} version ${version}`;
      return [
        [`${name} count`, count, chain.count],
        [`${name} root`, bytesToHex(root), chain.root],
        [`${name} root of its contributions`, bytesToHex(tree.root()), chain.root],
      ];
    });
  }

  #contributions(): Promise<CheckResult> {
    return this.#compare("contributions", "contributions", [], async (row) => {
      const chain = await this.#read<Record<string, unknown>>(
        DATANET_ADDRESS,
        datanetAbi,
        "contribution",
        BigInt(row.id),
      );
      const name = `contribution ${row.id}`;
      return [
        [`${name} Datanet`, BigInt(row.datanet), chain.datanetId],
        [`${name} contributor`, bytesToHex(row.contributor), lower(chain.contributor)],
        [`${name} content root`, bytesToHex(row.content_root), chain.contentRoot],
        [`${name} size`, row.size, chain.size],
        [`${name} licence`, row.licence, chain.licence],
        [`${name} status`, row.status, chain.status],
        [`${name} score`, row.score ?? 0, chain.score],
        [`${name} leaf index`, row.leaf_index ?? 0, chain.leafIndex],
        [`${name} duplicate of`, BigInt(row.duplicate_of ?? 0), chain.duplicateOf],
      ];
    });
  }

  #models(): Promise<CheckResult> {
    return this.#compare("models", "models", [], async ({ id, owner, request_price, output_price }) => {
      const chain = await this.#read<Record<string, unknown>>(MODELS_ADDRESS, modelsAbi, "model", BigInt(id));
      const data = await this.#read<readonly { datanetId: bigint; count: number }[]>(
        MODELS_ADDRESS,
        modelsAbi,
        "dataOf",
        BigInt(id),
      );
      const counts = await this.#db
        .selectFrom("model_counts")
        .selectAll()
        .where("model", "=", id)
        .orderBy("datanet")
        .execute();
      const listed = (pairs: readonly (readonly [number, number])[]): string =>
        pairs
          .toSorted(([a], [b]) => a - b)
          .map(([datanet, count]) => `${datanet}:${count}`)
          .join(" ");
      const name = `model ${id}`;
      return [
        [`${name} owner`, bytesToHex(owner), lower(chain.owner)],
        [`${name} request price`, request_price, chain.requestPrice],
        [`${name} output price`, output_price, chain.outputPrice],
        [
          `${name} data`,
          listed(counts.map(({ datanet, count }) => [datanet, count])),
          listed(data.map(({ datanetId, count }) => [Number(datanetId), count])),
        ],
      ];
    });
  }

  #inferences(): Promise<CheckResult> {
    return this.#compare("inferences", "inferences", [], async (row) => {
      const chain = await this.#read<Record<string, unknown>>(
        ATTRIBUTION_ADDRESS,
        attributionAbi,
        "inference",
        BigInt(row.id),
      );
      const name = `inference ${row.id}`;
      return [
        [`${name} state`, row.state, chain.state],
        [`${name} model`, BigInt(row.model), chain.modelId],
        [`${name} payer`, bytesToHex(row.payer), lower(chain.payer)],
        [`${name} host`, bytesToHex(row.host), lower(chain.host)],
        [`${name} escrow`, row.escrow, chain.escrow],
        [`${name} request root`, bytesToHex(row.request_root), chain.requestRoot],
        [`${name} batch`, BigInt(row.batch ?? 0), chain.batchId],
      ];
    });
  }

  #accounts(): Promise<CheckResult> {
    return this.#compare("accounts", "accounts", [], async ({ address, accrued, claimed, stake }) => {
      const account = bytesToHex(address);
      const [owed, [total]] = await Promise.all([
        this.#read<bigint>(ATTRIBUTION_ADDRESS, attributionAbi, "accrued", account),
        this.#read<readonly [bigint, bigint]>(ATTRIBUTION_ADDRESS, attributionAbi, "stakeOf", account),
      ]);
      return [
        [`${account} accrued and not claimed`, accrued - claimed, owed],
        [`${account} stake`, stake, total],
      ];
    });
  }

  /** A rollup against the facts that it sums, over the whole index. */
  async #sums(
    name: string,
    rollup: TableName,
    key: string,
    column: string,
    facts: TableName,
    factKey: string,
  ): Promise<CheckResult> {
    const { rows } = await sql<{ key: unknown }>`
      SELECT r.${sql.ref(key)} AS "key" FROM ${sql.table(rollup)} r
      LEFT JOIN (
        SELECT ${sql.ref(factKey)}, uint_sum("amount") AS "amount" FROM ${sql.table(facts)} GROUP BY ${sql.ref(factKey)}
      ) f ON f.${sql.ref(factKey)} = r.${sql.ref(key)}
      WHERE r."valid_to" IS NULL AND r.${sql.ref(column)} <> COALESCE(f."amount", ${0n})
      LIMIT ${MAX_FAILURES}`.execute(this.#db);
    const failures = rows.map((row) => `${column} of ${shown(row.key)} is not the sum of its ${facts}`);
    return { name, compared: await this.#count(rollup), failures };
  }

  async #contributionSums(): Promise<CheckResult> {
    const { rows } = await sql<{ contribution: number }>`
      SELECT t."contribution" FROM "contribution_totals" t
      LEFT JOIN (
        SELECT "source", uint_sum("amount") AS "amount" FROM "rewards"
        WHERE "kind" = ${REWARD_KIND.CONTRIBUTOR} GROUP BY "source"
      ) f ON f."source" = t."contribution"
      WHERE t."valid_to" IS NULL AND t."accrued" <> COALESCE(f."amount", ${0n})
      LIMIT ${MAX_FAILURES}`.execute(this.#db);
    const failures = rows.map(({ contribution }) => `contribution ${contribution} is not the sum of its rewards`);
    return {
      name: "contributions add up to their rewards",
      compared: await this.#count("contribution_totals"),
      failures,
    };
  }

  async #fees(): Promise<CheckResult> {
    const { rows } = await sql<{ id: number }>`
      SELECT i."id" FROM "inferences" i
      LEFT JOIN (SELECT "inference", uint_sum("amount") AS "amount" FROM "rewards" GROUP BY "inference") f
        ON f."inference" = i."id"
      WHERE i."valid_to" IS NULL AND i."state" = ${INFERENCE_STATE.SETTLED}
        AND i."fee" <> COALESCE(f."amount", ${0n})
      LIMIT ${MAX_FAILURES}`.execute(this.#db);
    const failures = rows.map(({ id }) => `the rewards of inference ${id} are not its fee`);
    return { name: "fees are paid out whole", compared: await this.#count("inferences"), failures };
  }

  /** Compares a sample of a table's current rows with what `expect` gives: name, in the index, on the chain. */
  async #compare<T extends TableName>(
    name: string,
    table: T,
    failures: string[],
    expect: (row: Stored<T>) => Promise<readonly (readonly [string, unknown, unknown])[]>,
  ): Promise<CheckResult> {
    let compared = 0;
    for (const rows of chunks(await this.#rows(table), AT_ONCE)) {
      for (const comparisons of await Promise.all(rows.map(expect))) {
        compared += 1;
        for (const [what, indexed, chain] of comparisons) {
          if (indexed !== chain) failures.push(`${what}: ${shown(indexed)} in the index, ${shown(chain)} on the chain`);
        }
      }
      if (failures.length >= MAX_FAILURES) break;
    }
    return { name, compared, failures: failures.slice(0, MAX_FAILURES) };
  }

  /** All current rows, or a random sample. */
  async #rows<T extends TableName>(table: T): Promise<readonly Stored<T>[]> {
    // The tables differ only in names here, so one of them stands for all in kysely's types.
    let query = this.#db.selectFrom(table as "accounts").selectAll();
    if (isEntity(table)) query = query.where("valid_to", "is", null);
    if (this.#sample > 0) query = query.orderBy(sql`random()`).limit(this.#sample);
    return (await query.execute()) as unknown as Stored<T>[];
  }

  async #count(table: TableName): Promise<number> {
    let query = this.#db.selectFrom(table as "accounts").select(sql<number>`count(*)`.as("count"));
    if (isEntity(table)) query = query.where("valid_to", "is", null);
    return (await query.executeTakeFirstOrThrow()).count;
  }

  readonly #unanswered = (error: Error): never => {
    const [reason] = error.message.split("\n");
    // The rest of an address may be a secret.
    throw new OperationError(`${new URL(this.#rpc).host} does not answer as a node does: ${reason}; see --rpc`, {
      cause: error,
    });
  };

  /** What a precompile answers at the index's last block. */
  #read<T = unknown>(address: Uint8Array, abi: Abi | readonly unknown[], functionName: string, ...args: unknown[]) {
    const parameters = { address: bytesToHex(address), abi: abi as Abi, functionName, args };
    return this.#client
      .readContract({ ...parameters, blockNumber: BigInt(this.#block) })
      .catch(this.#unanswered) as Promise<T>;
  }
}

const isEntity = (table: TableName): boolean => tableShape(table).kind === "entity";
const lower = (value: unknown): string => String(value).toLowerCase();
const shown = (value: unknown): string => (value instanceof Uint8Array ? bytesToHex(value) : String(value));

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}
