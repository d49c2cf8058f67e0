/** The chain that the queries are about: a graph that is made to be expensive, and a random history that goes on from it. */
import { bytesToHex } from "../../core/bytes.ts";
import { FakeChain, testAddress, testHash } from "../../indexer/testing/fake-chain.ts";
import { STEP_KINDS, take } from "../../indexer/testing/histories.ts";
import { Ledger } from "../../indexer/testing/ledger.ts";
import type { Random } from "../sim/random.ts";
import type { Vocabulary } from "./graphql-queries.ts";

export interface World {
  /** Of the graph. */
  readonly levels: number;
  /** Transactions of the history. */
  readonly steps: number;
}

/** Contributions side by side; each is made of `PARENTS` of the level before. */
const WIDTH = 24;
const PARENTS = 12;
const MODELS = 12;

export function fuzzChain(
  random: Random,
  { levels, steps }: World,
): { readonly whole: FakeChain; readonly begun: number } {
  const chain = new FakeChain("fuzz");
  const ledger = new Ledger();
  appendGraph(chain, ledger, levels);
  const begun = chain.blocks.length;
  let transactions: ReturnType<typeof take>[] = [];
  for (let i = 0; i < steps; i++) {
    const step = {
      kind: random.below(STEP_KINDS),
      a: random.below(50),
      b: random.below(2_000),
      seal: random.chance(0.4),
    };
    transactions.push(take(ledger, step));
    if (!step.seal) continue;
    chain.append(transactions.filter((events) => events.length > 0));
    transactions = [];
  }
  return { whole: chain, begun };
}

/**
 * Wide, deep and dense: WIDTH x levels contributions with PARENTS ^ levels paths through them, models one made of the
 * other, and outputs that draw on the last level.
 */
function appendGraph(chain: FakeChain, ledger: Ledger, levels: number): void {
  const [owner, host] = [testAddress(0), testAddress(9)];
  chain.append([ledger.createDatanet(owner)]);
  for (let level = 0; level < levels; level++) {
    const before = (level - 1) * WIDTH;
    const parentsOf = (i: number) => Array.from({ length: PARENTS }, (_, k) => BigInt(before + 1 + ((i + k) % WIDTH)));
    const submitted = Array.from({ length: WIDTH }, (_, i) =>
      ledger.submit(1, testAddress(i % 5), level === 0 ? [] : parentsOf(i)),
    );
    chain.append([...submitted, ...submitted.map((_, i) => ledger.accept(level * WIDTH + i + 1))]);
  }
  chain.append([ledger.publish(1)]);
  for (let model = 1; model <= MODELS; model++) {
    chain.append([ledger.registerModel(owner, 1, model - 1), ledger.join(model, host)]);
  }
  const last = Array.from({ length: WIDTH }, (_, i) => (levels - 1) * WIDTH + i + 1);
  for (let output = 0; output < 2 * levels; output++) {
    const lengths = last.map((_, i) => (output + i) % 40);
    chain.append([
      ledger.request(1 + (output % MODELS), host, testAddress(output % 5)),
      ledger.commit(last, lengths),
      ledger.settle(),
    ]);
  }
}

/** `chain` grows while the queries are made. */
export function vocabularyOf(chain: FakeChain, ids: number): Vocabulary {
  const kinds = ["output", "contribution", "model", "datanet"];
  const nodes = kinds.flatMap((kind) => [1, 2, ids, ids * 20, ids * 1_000].map((id) => `${kind}:${id}`));
  const hashes = chain.blocks.slice(0, 3).map(({ hash }) => bytesToHex(hash));
  return {
    addresses: [0, 1, 2, 3, 4, 9, 77].map(testAddress),
    hashes: [testHash("output 1"), testHash("content 1"), ...hashes, "0x", "0x00"],
    nodes: [...nodes, "", "model:-1", "account:1"],
    words: ["datanet", "model 1", "ipfs", "ol 0x", "", " ", "DÄTA", "%", "_", "'", '"', "a".repeat(300)],
    ids,
    head: () => Number(chain.head.number),
  };
}
