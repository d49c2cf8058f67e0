import { createMPT, verifyMerkleProof } from "@ethereumjs/mpt";
import { MerkleStateManager } from "@ethereumjs/statemanager";
import { Account, Address } from "@ethereumjs/util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bigIntToFixed, bytesToHex, EMPTY_BYTES, trimLeadingZeros } from "../../core/bytes.ts";
import { KECCAK_EMPTY, keccak256 } from "../../core/crypto.ts";
import { decodeTrieAccount } from "./account-codec.ts";
import { openStateDatabase } from "./database.ts";
import { LayerStateManager } from "./ethereumjs-adapter.ts";
import { memoryStore } from "./memory-store.ts";
import { EMPTY_TRIE_ROOT } from "./trie-node.ts";
import type { AccountState, SealedState, StateReader } from "./types.ts";

const address = (n: number) => new Uint8Array(20).fill(n + 1);
const slot = (n: number) => new Uint8Array(32).fill(n);
const account = (balance: bigint, nonce = 0n): AccountState => ({
  nonce,
  balance,
  codeHash: KECCAK_EMPTY,
  storageRoot: EMPTY_TRIE_ROOT,
});

const who = fc.integer({ min: 0, max: 7 }).map(address);
const where = fc.integer({ min: 0, max: 6 }).map(slot);
const number = fc.oneof(fc.constantFrom(0n, 1n, 127n, 128n, 2n ** 64n, 2n ** 256n - 1n), fc.bigInt(0n, 2n ** 128n));
const slotValue = fc.oneof(
  fc.constant(EMPTY_BYTES),
  fc.uint8Array({ minLength: 1, maxLength: 32 }).map(trimLeadingZeros),
);

/** One block: its operations, and what the driver does after it. */
const operation = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant("put" as const),
      who,
      nonce: fc.bigInt(0n, 2n ** 64n - 2n),
      balance: number,
    }),
  },
  { weight: 8, arbitrary: fc.record({ op: fc.constant("store" as const), who, where, value: slotValue }) },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant("code" as const), who, code: fc.uint8Array({ maxLength: 50 }) }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constantFrom("delete" as const, "clear" as const), who }) },
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constantFrom("checkpoint" as const, "commit" as const, "revert" as const) }),
  },
);
const block = fc.record({
  operations: fc.array(operation, { maxLength: 30 }),
  /** How many of the uncommitted states are committed after it. */
  commits: fc.integer({ min: 0, max: 2 }),
  reopen: fc.boolean(),
});
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/** Runs the same calls on both state managers, as the EVM would. */
async function apply(managers: (LayerStateManager | MerkleStateManager)[], operations: readonly Operation[]) {
  let open = 0;
  for (const op of operations) {
    if (op.op === "checkpoint") open++;
    if (op.op === "commit" || op.op === "revert") {
      if (open === 0) continue;
      open--;
    }
    for (const manager of managers) {
      if (!("who" in op)) await manager[op.op]();
      else {
        const at = new Address(op.who);
        const existing = await manager.getAccount(at);
        if (op.op === "put") {
          const next = existing ?? new Account();
          next.nonce = op.nonce;
          next.balance = op.balance;
          await manager.putAccount(at, next);
        } else if (existing !== undefined) {
          if (op.op === "store") await manager.putStorage(at, op.where, op.value);
          if (op.op === "code") await manager.putCode(at, op.code);
          if (op.op === "delete") {
            await manager.deleteAccount(at);
            // The reference keeps the slots of a deleted account in its cache; the EVM clears them before it creates.
            await manager.clearStorage(at);
            await manager.deleteAccount(at);
          }
          if (op.op === "clear") await manager.clearStorage(at);
        }
      }
    }
  }
  for (; open > 0; open--) for (const manager of managers) await manager.commit();
}

type Snapshot = Map<string, { account: string; slots: string[]; code: string }>;

function snapshot(state: StateReader): Snapshot {
  const out: Snapshot = new Map();
  for (let i = 0; i < 8; i++) {
    const found = state.account(address(i));
    const slots = Array.from({ length: 7 }, (_, s) => bytesToHex(state.storage(address(i), slot(s))));
    if (found === undefined) expect(slots.every((value) => value === "0x")).toBe(true);
    else
      out.set(bytesToHex(address(i)), {
        account: [found.nonce, found.balance, bytesToHex(found.codeHash), bytesToHex(found.storageRoot)].join(),
        slots,
        code: bytesToHex(state.code(found.codeHash)),
      });
  }
  return out;
}

async function referenceSnapshot(manager: MerkleStateManager): Promise<Snapshot> {
  const out: Snapshot = new Map();
  for (let i = 0; i < 8; i++) {
    const at = new Address(address(i));
    const found = await manager.getAccount(at);
    if (found === undefined) continue;
    const slots: string[] = [];
    for (let s = 0; s < 7; s++) slots.push(bytesToHex(await manager.getStorage(at, slot(s))));
    out.set(bytesToHex(address(i)), {
      account: [found.nonce, found.balance, bytesToHex(found.codeHash), bytesToHex(found.storageRoot)].join(),
      slots,
      code: bytesToHex(await manager.getCode(at)),
    });
  }
  return out;
}

async function verifyProofs(database: ReturnType<typeof openStateDatabase>, root: Uint8Array, expected: Snapshot) {
  for (let i = 0; i < 8; i++) {
    const slots = Array.from({ length: 7 }, (_, s) => slot(s));
    const proof = database.prove(root, address(i), slots)!;
    const known = expected.get(bytesToHex(address(i)));
    if (proof.accountProof.length === 0) {
      expect(known).toBeUndefined();
      continue;
    }
    const leaf = await verifyMerkleProof(keccak256(address(i)), [...proof.accountProof], { root });
    expect(leaf === null).toBe(known === undefined);
    expect(proof.account === undefined).toBe(known === undefined);
    if (leaf === null) continue;
    const proven = decodeTrieAccount(leaf);
    expect(proven).toEqual(proof.account);
    for (const [s, { value, proof: nodes }] of proof.storageProofs.entries()) {
      expect(bytesToHex(value)).toBe(known!.slots[s]);
      if (nodes.length === 0) {
        expect(proven.storageRoot).toEqual(EMPTY_TRIE_ROOT);
        continue;
      }
      const found = await verifyMerkleProof(keccak256(slot(s)), [...nodes], { root: proven.storageRoot });
      expect(found === null).toBe(value.length === 0);
      if (found !== null) expect(found.subarray(found.length === 1 ? 0 : 1)).toEqual(value);
    }
  }
}

describe("the state database", () => {
  test("roots, answers, history and proofs equal ethereumjs's MerkleStateManager over random blocks", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(block, { minLength: 1, maxLength: 7 }), async (blocks) => {
        const store = memoryStore();
        const options = { reader: store, nodeBudget: 20 };
        let database = openStateDatabase({ ...options, headRoot: EMPTY_TRIE_ROOT });
        const trie = await createMPT({ useKeyHashing: true });
        const reference = new MerkleStateManager({ trie, caches: undefined as never });
        const uncommitted: SealedState[] = [];
        const states: { state: SealedState; expected: Snapshot }[] = [];
        const history: { root: Uint8Array; expected: Snapshot }[] = [];

        for (const { operations, commits, reopen } of blocks) {
          const top = uncommitted.at(-1) ?? database.head;
          const own = new LayerStateManager(top.fork());
          await apply([own, reference], operations);
          const sealed = database.seal(own.layer);
          const expected = await referenceSnapshot(reference);
          expect(bytesToHex(sealed.stateRoot)).toBe(bytesToHex(await reference.getStateRoot()));
          expect(snapshot(sealed.reader)).toEqual(expected);
          uncommitted.push(sealed);
          states.push({ state: sealed, expected });

          for (let i = 0; i < commits; i++) {
            const next = uncommitted.shift();
            if (next === undefined) break;
            database.stage(next, store);
            // The memory store has it already, nobody was told yet.
            for (const { state, expected } of states) expect(snapshot(state.reader)).toEqual(expected);
            database.committed(next);
            history.push({ root: next.stateRoot, expected: states.find(({ state }) => state === next)!.expected });
          }
          // Superseded, committed and pending ones alike still answer as when they were sealed.
          for (const { state, expected } of states) expect(snapshot(state.reader)).toEqual(expected);
          if (reopen && uncommitted.length === 0) {
            database = openStateDatabase({ ...options, headRoot: database.head.stateRoot });
            states.length = 0;
          }
        }
        for (const { root, expected } of history) {
          expect(snapshot(database.at(root)!.reader)).toEqual(expected);
        }
        const last = history.at(-1);
        if (last !== undefined) {
          expect(snapshot(database.head.reader)).toEqual(last.expected);
          await verifyProofs(database, last.root, last.expected);
          await verifyProofs(database, history[0]!.root, history[0]!.expected);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("a tree of pending states: paths of any length are committed at once, as one by one", async () => {
    const growth = fc.record({
      operations: fc.array(operation, { maxLength: 12 }),
      parent: fc.nat(),
      commit: fc.nat(3),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(growth, { minLength: 1, maxLength: 12 }), async (steps) => {
        const [store, plain] = [memoryStore(), memoryStore()];
        const options = { headRoot: EMPTY_TRIE_ROOT, nodeBudget: 20 };
        const database = openStateDatabase({ ...options, reader: store });
        /** Commits what becomes final one by one: that this is right, the test above shows. */
        const linear = openStateDatabase({ ...options, reader: plain });
        interface Node {
          readonly state: SealedState;
          readonly parent: Node | undefined;
          readonly operations: readonly Operation[];
          readonly expected: Snapshot;
        }
        const root: Node = { state: database.head, parent: undefined, operations: [], expected: new Map() };
        const all: Node[] = [root];
        let head = root;
        let open: Node[] = [root];
        const pathTo = (node: Node | undefined): Node[] =>
          !node || node === head ? [] : [...pathTo(node.parent), node];

        for (const { operations, parent, commit } of steps) {
          const below = open[parent % open.length]!;
          const own = new LayerStateManager(below.state.fork());
          await apply([own], operations);
          const state = database.seal(own.layer);
          const node = { state, parent: below, operations, expected: snapshot(state.reader) };
          all.push(node);
          open.push(node);
          if (commit > 0) continue;
          const path = pathTo(node);
          database.stage(node.state, store);
          // In the store, and nobody was told yet.
          for (const { state, expected } of all) expect(snapshot(state.reader)).toEqual(expected);
          database.committed(node.state);
          for (const { operations, state } of path) {
            const again = new LayerStateManager(linear.head.fork());
            await apply([again], operations);
            const sealed = linear.seal(again.layer);
            expect(bytesToHex(state.stateRoot)).toBe(bytesToHex(sealed.stateRoot));
            linear.stage(sealed, plain);
            linear.committed(sealed);
          }
          head = node;
          open = open.filter((each) => each === head || isAbove(each, head));
        }
        for (const { state, expected } of all) expect(snapshot(state.reader)).toEqual(expected);
        const everything = (of: typeof store) => [...of.iterate(EMPTY_BYTES, Uint8Array.of(255))];
        expect(everything(store)).toEqual(everything(plain));
        const reopened = openStateDatabase({ ...options, headRoot: head.state.stateRoot, reader: store });
        expect(snapshot(reopened.head.reader)).toEqual(head.expected);

        function isAbove(node: Node, below: Node): boolean {
          return node.parent !== undefined && (node.parent === below || isAbove(node.parent, below));
        }
      }),
      { numRuns: 100 },
    );
  });

  test("a pending state counts its memory, a committed one has none", () => {
    const { store, database } = committedWith((layer) => layer.setAccount(address(0), account(1n)));
    expect(database.head.heldBytes).toBe(0);
    const layer = database.head.fork();
    layer.setAccount(address(1), { ...account(1n), codeHash: layer.addCode(new Uint8Array(5_000)) });
    for (let s = 0; s < 100; s++) layer.setStorage(address(1), slot(s), Uint8Array.of(1));
    const state = database.seal(layer);
    expect(state.heldBytes).toBeGreaterThan(5_000 + 100 * 200);
    expect(database.seal(state.fork()).heldBytes).toBeLessThan(2_000);
    commit(database, store, state);
    expect(state.heldBytes).toBe(0);
  });

  function committedWith(write: (layer: ReturnType<SealedState["fork"]>) => void) {
    const store = memoryStore();
    const database = openStateDatabase({ reader: store, headRoot: EMPTY_TRIE_ROOT });
    const layer = database.head.fork();
    write(layer);
    commit(database, store, database.seal(layer));
    return { store, database };
  }

  function commit(
    database: ReturnType<typeof openStateDatabase>,
    store: ReturnType<typeof memoryStore>,
    state: SealedState,
  ) {
    database.stage(state, store);
    database.committed(state);
  }

  test("slots of a deleted account do not come back with a new account at its address", () => {
    const { store, database } = committedWith((layer) => layer.setAccount(address(0), account(1n)));
    // Each life of the account has a slot of its own; each is deleted with the slot on disk.
    for (let life = 0; life < 3; life++) {
      const living = database.head.fork();
      living.setAccount(address(1), account(5n));
      living.setStorage(address(1), slot(life), Uint8Array.of(7));
      commit(database, store, database.seal(living));
      const reopened = openStateDatabase({ reader: store, headRoot: database.head.stateRoot });
      for (const { head } of [database, reopened]) {
        for (let s = 0; s < 3; s++) {
          expect(head.reader.storage(address(1), slot(s))).toEqual(s === life ? Uint8Array.of(7) : EMPTY_BYTES);
        }
      }
      const deleting = database.head.fork();
      deleting.setAccount(address(1), undefined);
      commit(database, store, database.seal(deleting));
    }
  });

  test("a state sealed while its parent is being written counts lost storage as one sealed after", () => {
    const { store, database } = committedWith((layer) => layer.setAccount(address(0), account(1n)));
    const put = (layer: ReturnType<SealedState["fork"]>, n: number) => {
      layer.setAccount(address(1), account(5n));
      layer.setStorage(address(1), slot(n), Uint8Array.of(7));
    };
    const steps = [
      (layer: ReturnType<SealedState["fork"]>) => put(layer, 0),
      (layer: ReturnType<SealedState["fork"]>) => layer.setAccount(address(1), undefined),
      (layer: ReturnType<SealedState["fork"]>) => put(layer, 1),
    ];
    for (const write of steps) {
      const layer = database.head.fork();
      write(layer);
      commit(database, store, database.seal(layer));
    }
    const unrelated = database.head.fork();
    unrelated.setAccount(address(0), account(2n));
    const parent = database.seal(unrelated);
    database.stage(parent, store);
    const clearing = parent.fork();
    clearing.clearStorage(address(1));
    clearing.setStorage(address(1), slot(2), Uint8Array.of(8));
    const child = database.seal(clearing);
    database.committed(parent);
    commit(database, store, child);
    const { head } = openStateDatabase({ reader: store, headRoot: child.stateRoot });
    const values = [0, 1, 2].map((s) => bytesToHex(head.reader.storage(address(1), slot(s))));
    expect(values).toEqual(["0x", "0x", "0x08"]);
  });

  test("while the next state is written, the head answers as before, and afterwards", () => {
    const { store, database } = committedWith((layer) => {
      for (let i = 0; i < 4; i++) layer.setAccount(address(i), account(BigInt(i + 1)));
      layer.setStorage(address(1), slot(1), Uint8Array.of(1));
    });
    const { head } = database;
    const layer = head.fork();
    layer.setAccount(address(0), account(9n));
    layer.setStorage(address(1), slot(1), Uint8Array.of(2));
    layer.setAccount(address(2), undefined);
    layer.setAccount(address(4), account(9n));
    const answers = () => [
      [0, 1, 2, 3, 4, 5].map((i) => head.reader.account(address(i))),
      head.storageRoot(address(1)),
      head.reader.storage(address(1), slot(1)),
    ];
    const before = answers();
    const next = database.seal(layer);
    database.stage(next, store);
    // What was read of these accounts is in no cache any more.
    for (let i = 0; i < 80_000; i++) head.reader.account(bigIntToFixed(BigInt(i), 20));
    expect(answers()).toEqual(before);
    database.committed(next);
    expect(answers()).toEqual(before);
    const above = database.head.fork();
    above.setAccount(address(3), account(9n));
    commit(database, store, database.seal(above));
    expect(answers()).toEqual(before);
  });

  test("nodes of a pending state that a sweep forgot load from the pending state", () => {
    const store = memoryStore();
    const database = openStateDatabase({ reader: store, headRoot: EMPTY_TRIE_ROOT, nodeBudget: 1 });
    const states: SealedState[] = [];
    for (let b = 0; b < 3; b++) {
      const layer = (states.at(-1) ?? database.head).fork();
      layer.setAccount(address(0), account(BigInt(b)));
      for (let s = 0; s < 64; s++) layer.setStorage(address(0), keccak256(slot(s), slot(b)), Uint8Array.of(1));
      states.push(database.seal(layer));
    }
    commit(database, store, states[0]!); // sweeps what belongs to states 1 and 2 as well
    const top = states[2]!.fork();
    for (let b = 0; b < 3; b++) {
      for (let s = 0; s < 64; s++) top.setStorage(address(0), keccak256(slot(s), slot(b)), EMPTY_BYTES);
    }
    expect(database.seal(top).storageRoot(address(0))).toEqual(EMPTY_TRIE_ROOT);
  });

  test("slots set to zero leave the flat table", () => {
    const { store, database } = committedWith((layer) => {
      layer.setAccount(address(0), account(1n));
      layer.setStorage(address(0), slot(1), Uint8Array.of(1));
      layer.setStorage(address(0), slot(2), Uint8Array.of(0, 2));
    });
    const slots = () => [...store.iterate(Uint8Array.of(2), Uint8Array.of(3))].map(([, value]) => value);
    expect(slots()).toEqual([Uint8Array.of(1), Uint8Array.of(2)]);
    const layer = database.head.fork();
    layer.setStorage(address(0), slot(1), new Uint8Array(32));
    commit(database, store, database.seal(layer));
    expect(slots()).toEqual([Uint8Array.of(2)]);
  });

  test("rival states on one parent do not see each other, and the loser keeps its answers", () => {
    const { store, database } = committedWith((layer) => layer.setAccount(address(0), account(1n)));
    const rivals = [2n, 3n].map((balance) => {
      const layer = database.head.fork();
      layer.setAccount(address(0), account(balance));
      layer.setStorage(address(0), slot(0), Uint8Array.of(Number(balance)));
      return database.seal(layer);
    });
    const [winner, loser] = rivals as [SealedState, SealedState];
    const onLoser = loser.fork();
    commit(database, store, winner);
    expect(winner.reader.account(address(0))?.balance).toBe(2n);
    expect(loser.reader.account(address(0))?.balance).toBe(3n);
    expect(onLoser.storage(address(0), slot(0))).toEqual(Uint8Array.of(3));
    expect(() => database.stage(loser, store)).toThrow(/does not stand on the committed head/);
    expect(() => database.committed(loser)).toThrow(/not the one staged last/);
  });

  test("a historical state can be forked and sealed without touching the head", () => {
    const { store, database } = committedWith((layer) => layer.setAccount(address(0), account(1n)));
    const first = database.head.stateRoot;
    const layer = database.head.fork();
    layer.setAccount(address(0), account(2n));
    commit(database, store, database.seal(layer));
    const past = database.at(first)!.fork();
    past.setAccount(address(1), account(9n));
    const simulated = database.seal(past);
    expect(simulated.reader.account(address(0))?.balance).toBe(1n);
    expect(simulated.reader.account(address(1))?.balance).toBe(9n);
    expect(database.head.reader.account(address(1))).toBeUndefined();
    expect(() => database.stage(simulated, store)).toThrow(/does not stand/);
    expect(database.at(new Uint8Array(32).fill(1))).toBeUndefined();
    expect(database.prove(new Uint8Array(32).fill(1), address(0), [])).toBeUndefined();
  });

  test("code that no account refers to is not stored", () => {
    const used = Uint8Array.of(1, 2, 3);
    const orphan = Uint8Array.of(4, 5, 6);
    let usedHash: Uint8Array = EMPTY_BYTES;
    let orphanHash: Uint8Array = EMPTY_BYTES;
    const { database } = committedWith((layer) => {
      usedHash = layer.addCode(used);
      orphanHash = layer.addCode(orphan);
      layer.setAccount(address(0), { ...account(0n, 1n), codeHash: usedHash });
    });
    expect(database.head.reader.code(usedHash)).toEqual(used);
    expect(() => database.head.reader.code(orphanHash)).toThrow(expect.objectContaining({ code: "DAMAGED" }));
  });

  test("sealing refuses foreign layers, open checkpoints and storage without an account", () => {
    const { database } = committedWith((layer) => layer.setAccount(address(0), account(1n)));
    const open = database.head.fork();
    open.checkpoint();
    expect(() => database.seal(open)).toThrow(/1 checkpoints are still open/);
    const homeless = database.head.fork();
    homeless.setStorage(address(5), slot(0), Uint8Array.of(1));
    expect(() => database.seal(homeless)).toThrow(/which does not exist/);
    const sealed = database.head.fork();
    database.seal(sealed);
    expect(() => sealed.setAccount(address(0), account(2n))).toThrow(/sealed/);
    expect(() => database.seal(new LayerStateManager(sealed).shallowCopy().layer)).toThrow(TypeError);
  });

  test("a damaged store says what is missing", () => {
    const { store, database } = committedWith((layer) => {
      for (let i = 0; i < 8; i++) layer.setAccount(address(i), account(BigInt(i + 1)));
    });
    const root = database.head.stateRoot;
    store.del(Uint8Array.of(3, ...root));
    const reopen = () => openStateDatabase({ reader: store, headRoot: root });
    expect(reopen).toThrow(
      expect.objectContaining({ code: "DAMAGED", message: expect.stringContaining(bytesToHex(root)) }),
    );

    const other = committedWith((layer) => layer.setAccount(address(0), account(1n)));
    other.store.put(Uint8Array.of(1, ...address(0)), Uint8Array.of(1, 2));
    const broken = openStateDatabase({ reader: other.store, headRoot: other.database.head.stateRoot });
    expect(() => broken.head.reader.account(address(0))).toThrow(expect.objectContaining({ code: "DAMAGED" }));
  });
});
