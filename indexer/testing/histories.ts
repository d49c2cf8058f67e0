/** Chains with a history: random ones, and some in which everything happens once. */
import type { Hex } from "../../core/bytes.ts";
import type { LedgerEvent } from "../decode.ts";
import { FakeChain, testAddress, testHash } from "./fake-chain.ts";
import { BOND, Ledger } from "./ledger.ts";

export interface Step {
  readonly kind: number;
  readonly a: number;
  readonly b: number;
  /** Whether a new block begins after this step. */
  readonly seal: boolean;
}

export const STEP_KINDS = 19;

/** Turns any list of numbers into a plausible history: what a step cannot do, it replaces by what is possible. */
export function chainOf(steps: readonly Step[], salt = ""): FakeChain {
  const chain = new FakeChain(salt);
  const ledger = new Ledger();
  // A model that is served, so that most histories pay somebody.
  chain.append([
    ledger.createDatanet(testAddress(0)),
    ledger.submit(1, testAddress(1)),
    ledger.submit(1, testAddress(2)),
  ]);
  chain.append([
    ledger.accept(1),
    ledger.publish(1),
    ledger.registerModel(testAddress(3), 1),
    ledger.join(1, testAddress(4)),
  ]);
  let transactions: LedgerEvent[][] = [];
  for (const step of steps) {
    const events = take(ledger, step);
    if (events.length > 0) transactions.push(events);
    if (step.seal) {
      chain.append(transactions);
      transactions = [];
    }
  }
  chain.append(transactions);
  return chain;
}

/** The events of the next transaction; none where nothing of the kind is possible. */
export function take(ledger: Ledger, step: Step): LedgerEvent[] {
  const { kind, a, b } = step;
  const { datanets, contributions, models, requested, committed } = ledger;
  const account = testAddress(a % 5);
  if (datanets.length === 0) return ledger.createDatanet(account);
  const datanet = 1 + (b % datanets.length);
  const contribution = contributions[b % Math.max(1, contributions.length)];
  if (contribution === undefined) return ledger.submit(datanet, account);
  const id = Number(contribution.id);
  const accepted = contributions.filter(({ status }) => status === "accepted").map((entry) => Number(entry.id));
  const model = models[b % Math.max(1, models.length)];
  switch (kind % STEP_KINDS) {
    case 0:
      return datanets.length < 3 ? ledger.createDatanet(account) : [];
    case 1:
    case 2:
      return ledger.submit(datanet, account, contributions.length % 3 === 0 ? [contribution.id] : []);
    case 3:
    case 4:
      return contribution.status === "pending" ? ledger.accept(id) : ledger.submit(datanet, account);
    case 5:
      return contribution.status === "pending" ? ledger.reject(id) : [];
    case 6:
      return contribution.status === "pending" && accepted[0] !== undefined ? ledger.duplicate(id, accepted[0]) : [];
    case 7:
      return ["accepted", "pending"].includes(contribution.status) ? ledger.withdraw(id) : [];
    case 8:
      return ledger.publish(datanet);
    case 9:
      return ledger.registerModel(account, datanet, models.length % 2 === 0 ? 0 : Number(model?.id ?? 0));
    case 10:
      return model === undefined ? [] : ledger.join(Number(model.id), account);
    case 11:
      return ledger.claim(account, testAddress(b % 5));
    case 12:
      return requested.length > 0 ? ledger.expire() : [];
    case 13:
    case 14:
      if (committed.length === 0) return commit(ledger, step, accepted);
      return a % 4 > 0 ? ledger.settle() : [...ledger.demand(account), ...ledger.void(account, 1n)];
    case 15:
    case 16:
      return commit(ledger, step, accepted);
    default:
      return request(ledger, step);
  }
}

function request(ledger: Ledger, { a, b }: Step): LedgerEvent[] {
  const served = ledger.models.filter(({ hosts }) => hosts.length > 0);
  const model = served[b % Math.max(1, served.length)];
  const host = model?.hosts[0];
  return model === undefined || host === undefined ? [] : ledger.request(Number(model.id), host, testAddress(a % 5));
}

function commit(ledger: Ledger, step: Step, accepted: readonly number[]): LedgerEvent[] {
  const [first] = accepted;
  if (ledger.requested.length === 0 || first === undefined) return request(ledger, step);
  return ledger.commit([...accepted.slice(0, 4), first], [step.a, step.b, step.a + step.b]);
}

/** A history in which everything happens once: 2 Datanets, 4 contributors, 2 models, a settled output, an expired one. */
export function standardChain(salt = ""): { chain: FakeChain; ledger: Ledger } {
  const chain = new FakeChain(salt);
  const ledger = new Ledger();
  const [owner, alice, bob, carol, host, payer] = [0, 1, 2, 3, 4, 5].map(testAddress) as [Hex, Hex, Hex, Hex, Hex, Hex];
  chain.append([ledger.createDatanet(owner), ledger.createDatanet(alice)]);
  chain.append([
    ledger.submit(1, alice),
    ledger.submit(1, bob),
    ledger.submit(1, carol, [1n]),
    ledger.submit(2, alice),
  ]);
  chain.append([ledger.submit(1, bob), ledger.submit(1, bob), ledger.submit(1, carol)]);
  chain.append([ledger.accept(1), ledger.accept(2), ledger.accept(3), ledger.accept(4)]);
  chain.append([ledger.duplicate(5, 1), ledger.reject(6), ledger.withdraw(7)]);
  chain.append([ledger.publish(1), ledger.publish(2)]);
  chain.append([ledger.registerModel(owner, 1), ledger.registerModel(bob, 2, 1), ledger.join(2, host)]);
  chain.append([ledger.request(2, host, payer), ledger.request(2, host, payer), ledger.request(2, host, payer)]);
  chain.append([ledger.commit([1, 2, 3, 1], [40, 25, 13, 7])]);
  chain.append([ledger.settle()]);
  chain.append([ledger.claim(alice, payer), ledger.withdraw(2)]);
  chain.append([ledger.expire()]);
  return { chain, ledger };
}

/** The standard history, then an answer of which a chunk is demanded and that is found wrong. */
export function challengedChain(): { chain: FakeChain; ledger: Ledger } {
  const { chain, ledger } = standardChain();
  chain.append([ledger.commit([1, 2], [30, 20])]);
  chain.append([ledger.demand(testAddress(6))]);
  chain.append([ledger.void(testAddress(6), 1n)]);
  // Contribution 3 was made of 1, and 8 of 3.
  chain.append([ledger.submit(1, testAddress(3), [3n])]);
  chain.append([ledger.withdraw(1)]);
  return { chain, ledger };
}

/** The challenged history, then what crosses the bridge: two deposits, one of which fails, a withdrawal, a validator set. */
export function bridgedChain(): { chain: FakeChain; ledger: Ledger } {
  const { chain, ledger } = challengedChain();
  chain.appendDeposits([
    { from: testAddress(5), to: testAddress(1), mintWei: 2n ** 100n, value: 7n, status: 1 },
    { from: testAddress(5), to: undefined, mintWei: 3n, value: 0n, status: 0 },
  ]);
  chain.append([
    [
      {
        eventName: "MessagePassed",
        args: {
          nonce: 2n ** 240n,
          sender: testAddress(1),
          target: testAddress(5),
          value: 11n,
          gasLimit: 100_000n,
          data: "0x",
          withdrawalHash: testHash("withdrawal"),
        },
      },
    ],
    [
      {
        eventName: "SnapshotSubmitted",
        args: { number: 1n, setHash: testHash("set 1"), count: 4n, totalStake: 4n * BOND },
      },
    ],
  ]);
  return { chain, ledger };
}
