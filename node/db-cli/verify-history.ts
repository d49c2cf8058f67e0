/** Which states are kept: what is counted of their nodes, and what is left of those that were pruned. */
import { MESSAGE_PASSER_ADDRESS } from "../../core/addresses.ts";
import { bytesToHex, equalsBytes } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import { openStateDatabase } from "../../execution/state/database.ts";
import { bytesKey, keyBytes } from "../../execution/state/keys.ts";
import { NODE_TABLE, nodeTableKey, readCount, readHistory, readReplaced } from "../../execution/state/prune-tables.ts";
import { stateChanges } from "../../execution/state/trie-changes.ts";
import { EMPTY_TRIE_ROOT } from "../../execution/state/trie-node.ts";
import { trieLeaves } from "../../execution/state/trie-walk.ts";
import { type Head, readHeader } from "../chain-store.ts";
import { readCheckpoint } from "../checkpoint-store.ts";
import { type Findings, turn } from "./findings.ts";
import type { VerifyParts } from "./verify.ts";

/** Nodes whose counts are held in memory at once: of a larger store a part is compared. */
const NODES_COUNTED = 4_000_000;
const STEPS_AT_ONCE = 4_096;

/** A node counted less often than it is used would be deleted while a state needs it. */
export async function checkCounts({ store }: VerifyParts, head: Head, findings: Findings): Promise<void> {
  const { reader } = store;
  const history = await findings.reading(() => readHistory(reader));
  // What was not finished begins anew, or goes on, when the node starts.
  if (history === undefined || history.phase !== "complete") return;
  findings.expect(history.head === head.number, `states are counted up to block ${history.head}, not to the head`);
  let nodes = 0;
  for await (const _ of store.iterate(NODE_TABLE)) nodes++;
  const parts = 1 + Math.floor(nodes / NODES_COUNTED);
  const counts = new Map<string, number>();
  const forEver = new Set<string>();
  const load = (hash: Uint8Array) => reader.get(nodeTableKey(bytesKey(hash)));
  const passer = keccak256(MESSAGE_PASSER_ADDRESS);
  let before: Uint8Array = EMPTY_TRIE_ROOT;
  let steps = 0;
  for (let number = history.lowest; number <= head.number; number++) {
    const root = (await findings.reading(() => readHeader(reader, number)))?.stateRoot;
    if (root === undefined) return findings.fail(`the state root of block ${number} cannot be read`);
    const replaced: string[] = [];
    const isWhole = await findings.reading(async () => {
      for (const { hash, isNew, isForEver } of stateChanges(load, before, root, passer)) {
        if (!isNew && !isForEver) replaced.push(bytesToHex(hash));
        if (++steps % STEPS_AT_ONCE === 0) await turn();
        if (((hash[0]! << 8) | hash[1]!) % parts !== 0) continue;
        const key = bytesKey(hash);
        if (isForEver) forEver.add(key);
        if (isNew) counts.set(key, (counts.get(key) ?? 0) + 1);
      }
      return true;
    });
    if (isWhole !== true) return;
    if (number > history.lowest) await checkReplaced(reader, number, before, root, replaced, findings);
    before = root;
  }
  for (const [key, count] of counts) {
    findings.compared++;
    const stored = readCount(reader, key) ?? 1;
    // Places that are kept for ever are counted again and again.
    const isRight = stored === count || (stored > count && forEver.has(key));
    findings.expect(isRight, `trie node ${bytesToHex(keyBytes(key))} is used ${count} times, counted ${stored}`);
  }
}

async function checkReplaced(
  reader: VerifyParts["store"]["reader"],
  number: bigint,
  before: Uint8Array,
  root: Uint8Array,
  expected: readonly string[],
  findings: Findings,
): Promise<void> {
  await findings.reading(() => {
    const replaced = readReplaced(reader, number);
    const nodes = (replaced?.nodes ?? []).map((hash) => bytesToHex(hash));
    const isRoot = replaced === undefined ? equalsBytes(before, root) : equalsBytes(replaced.root, before);
    const isRight = isRoot && nodes.toSorted().join() === expected.toSorted().join();
    findings.expect(isRight, `block ${number} replaced other trie nodes than are noted down`);
  });
}

/** Spread over the blocks whose states were pruned, the message passer is still proven, with its storage. */
export async function checkPrunedStates(parts: VerifyParts, head: Head, findings: Findings): Promise<void> {
  const { store, samples } = parts;
  const { reader } = store;
  const first = readCheckpoint(reader)?.number ?? 0n;
  const lowest = (await findings.reading(() => readHistory(reader)))?.lowest ?? first;
  const headRoot = (await findings.reading(() => readHeader(reader, head.number)))?.stateRoot;
  if (headRoot === undefined) return;
  const database = await findings.reading(() => openStateDatabase({ reader, headRoot }));
  const count = BigInt(samples) < lowest - first ? BigInt(samples) : lowest - first;
  const load = (hash: Uint8Array) => reader.get(nodeTableKey(bytesKey(hash)));
  const seen = new Set<string>();
  for (let i = 0n; i < count; i++) {
    const number = first + (i * (lowest - first)) / count;
    const header = await findings.reading(() => readHeader(reader, number));
    if (header === undefined || database === undefined) continue;
    findings.compared++;
    const proof = await findings.reading(() => database.prove(header.stateRoot, MESSAGE_PASSER_ADDRESS, []));
    const storageRoot = proof?.account?.storageRoot ?? EMPTY_TRIE_ROOT;
    // A genesis block names no storage, whatever it gives the account.
    const isRight = number === 0n || equalsBytes(storageRoot, header.withdrawalsRoot);
    findings.expect(proof !== undefined && isRight, `state of block ${number}: the message passer is not proven`);
    const isKnown = (hash: Uint8Array) => seen.has(bytesKey(hash)) || !seen.add(bytesKey(hash));
    const watch = { onDamage: (reason: string) => findings.fail(`withdrawals at block ${number}: ${reason}`), isKnown };
    for (const _ of trieLeaves(load, storageRoot, watch));
    await turn();
  }
}
