/** States: tries that are whole, and the head's flat tables, which must say the same. */
import { bytesToHex, equalsBytes } from "../../core/bytes.ts";
import { KECCAK_EMPTY, keccak256 } from "../../core/crypto.ts";
import { decodeTrieAccount, encodeRecord, hasStorageRoot } from "../../execution/state/account-codec.ts";
import {
  FLAT_TABLES,
  flatEntryOf,
  readFlatRecord,
  readFlatSlot,
  readStateItem,
} from "../../execution/state/flat-state.ts";
import { decodeTrieSlot } from "../../execution/state/history.ts";
import { bytesKey } from "../../execution/state/keys.ts";
import { readHistory } from "../../execution/state/prune-tables.ts";
import { preimage } from "../../execution/state/restore.ts";
import { trieLeaves } from "../../execution/state/trie-walk.ts";
import type { AccountState, KeyValueReader } from "../../execution/state/types.ts";
import { type Head, readBlock } from "../chain-store.ts";
import { readCheckpoint } from "../checkpoint-store.ts";
import { Findings, turn } from "./findings.ts";
import type { VerifyParts } from "./verify.ts";

/** Trie nodes that are remembered as seen, so that states that share them are not read again and again. */
const NODES_REMEMBERED = 4_000_000;
const STEPS_AT_ONCE = 4_096;

/** The head's trie is whole, and the flat tables hold what it holds and nothing else. */
export async function checkHeadState(parts: VerifyParts, head: Head, findings: Findings): Promise<void> {
  const { store, decode } = parts;
  const { reader } = store;
  const block = await findings.reading(() => readBlock(reader, head.number, decode));
  if (block === undefined) return;
  let [accounts, slots] = [0, 0];
  for await (const { account, key } of accountsOf(reader, block.header.stateRoot, findings)) {
    accounts++;
    const address = await findings.reading(() => preimage(reader, key, 20));
    const record = address && (await findings.reading(() => readFlatRecord(reader, address)));
    if (address === undefined || record === undefined) continue;
    findings.expect(isSameAccount(record.account, account), `account ${bytesToHex(address)} differs from the trie's`);
    for (const { key: hashedSlot, value } of trieLeaves(loadFrom(reader), account.storageRoot, findings.watch)) {
      slots++;
      const slot = await findings.reading(() => preimage(reader, hashedSlot, 32));
      if (slot === undefined) continue;
      const flat = readFlatSlot(reader, address, slot, record.generation);
      const isRight = equalsBytes(flat, decodeTrieSlot(value));
      findings.expect(isRight, `slot ${bytesToHex(slot)} of ${bytesToHex(address)} differs from the trie's`);
      if (slots % STEPS_AT_ONCE === 0) await turn();
    }
  }
  findings.compared = accounts + slots;
  const flat = await countFlat(parts, findings);
  findings.expect(flat.accounts === accounts, `${flat.accounts} accounts are in the table, ${accounts} in the trie`);
  findings.expect(flat.slots === slots, `${flat.slots} slots are in the table, ${slots} in the trie`);
}

/** Accounts that exist, and slots of their present generation. */
async function countFlat(
  { store, finality }: VerifyParts,
  findings: Findings,
): Promise<{ accounts: number; slots: number }> {
  let [accounts, slots] = [0, 0];
  for await (const [key, value] of store.iterate(FLAT_TABLES)) {
    const entry = await findings.reading(() => flatEntryOf(key, value));
    if (entry === undefined) findings.fail(`the table of accounts and slots has the key ${bytesToHex(key)}`);
    else if (entry.kind === "account") {
      accounts += entry.record.account === undefined ? 0 : 1;
      // Storage is dropped whole by rules from before Cancun only.
      const isPlain = equalsBytes(encodeRecord(entry.record), value);
      const isPossible = finality === undefined || entry.record.generation === 0;
      findings.expect(
        isPlain && isPossible,
        `the record of account ${bytesToHex(entry.address)} is none that is written`,
      );
    } else if (isPresent(store.reader, entry)) slots++;
  }
  return { accounts, slots };
}

function isPresent(
  reader: KeyValueReader,
  { address, generation }: { address: Uint8Array; generation: number },
): boolean {
  const record = readFlatRecord(reader, address);
  return record.generation === generation && hasStorageRoot(record.account);
}

/** Spread over those that are kept, the tries of earlier blocks are whole. What they share is read once. */
export async function checkEarlierStates(parts: VerifyParts, head: Head, findings: Findings): Promise<void> {
  const { store, decode, samples } = parts;
  const seen = new Set<string>();
  const history = await findings.reading(() => readHistory(store.reader));
  const lowest = history?.lowest ?? readCheckpoint(store.reader)?.number ?? 0n;
  const count = BigInt(samples) < head.number - lowest ? BigInt(samples) : head.number - lowest;
  for (let i = 0n; i < count; i++) {
    const number = lowest + (i * (head.number - lowest)) / count;
    const block = await findings.reading(() => readBlock(store.reader, number, decode));
    if (block === undefined) continue;
    findings.compared++;
    const within = new Findings();
    const isKnown = (hash: Uint8Array) => {
      const key = bytesKey(hash);
      if (seen.has(key)) return true;
      if (seen.size < NODES_REMEMBERED) seen.add(key);
      return false;
    };
    for await (const { account, key } of accountsOf(store.reader, block.header.stateRoot, within, isKnown)) {
      await within.reading(() => preimage(store.reader, key, 20));
      for (const slot of trieLeaves(loadFrom(store.reader), account.storageRoot, { ...within.watch, isKnown })) {
        await within.reading(() => preimage(store.reader, slot.key, 32));
      }
    }
    for (const failure of within.failures) findings.fail(`state of block ${number}: ${failure}`);
  }
}

/** Of a state, with their code checked. */
async function* accountsOf(
  reader: KeyValueReader,
  root: Uint8Array,
  findings: Findings,
  isKnown?: (hash: Uint8Array) => boolean,
): AsyncGenerator<{ readonly key: Uint8Array; readonly account: AccountState }> {
  const watch = { ...findings.watch, ...(isKnown && { isKnown }) };
  let steps = 0;
  for (const { key, value } of trieLeaves(loadFrom(reader), root, watch)) {
    const account = await findings.reading(() => decodeTrieAccount(value));
    if (account === undefined) continue;
    if (!equalsBytes(account.codeHash, KECCAK_EMPTY)) {
      const code = readStateItem(reader, account.codeHash);
      const isRight = code !== undefined && equalsBytes(keccak256(code), account.codeHash);
      findings.expect(isRight, `code ${bytesToHex(account.codeHash)} is missing or damaged`);
    }
    yield { key, account };
    if (++steps % STEPS_AT_ONCE === 0) await turn();
  }
}

const loadFrom =
  (reader: KeyValueReader) =>
  (hash: Uint8Array): Uint8Array | undefined =>
    readStateItem(reader, hash);

function isSameAccount(a: AccountState | undefined, b: AccountState): boolean {
  return (
    a !== undefined &&
    a.nonce === b.nonce &&
    a.balance === b.balance &&
    equalsBytes(a.codeHash, b.codeHash) &&
    equalsBytes(a.storageRoot, b.storageRoot)
  );
}
