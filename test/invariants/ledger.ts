/** Books into the model what L1's blocks did, and compares it with what had to come of each action. */
import { decodeEventLog, type Hex, parseAbi } from "viem";
import { getL2TransactionHash, opaqueDataToDepositData } from "viem/op-stack";
import type { Contracts, L1Transaction, MinedBlock, MinedTransaction, RpcLog } from "./l1.ts";
import { type BridgeModel, type Expectation, Violation } from "./model.ts";

export interface L1Action extends L1Transaction {
  readonly kind: string;
  /** In a block of this time. */
  readonly expected: (timestamp: bigint) => Expectation;
  /** Called when L1 took it. */
  readonly settle?: (timestamp: bigint) => void;
  /** What the portal pays, if L1 takes it. */
  readonly pays?: { readonly target: Hex; readonly valueWei: bigint };
  /** What it sends to the portal beside deposits. */
  readonly donatesWei?: bigint;
}

const EVENTS = parseAbi([
  "event TransactionDeposited(address indexed from, address indexed to, uint256 indexed version, bytes opaqueData)",
  "event WithdrawalFinalized(bytes32 indexed withdrawalHash, bool success)",
  "event Transfer(address indexed from, address indexed to, uint256 value)",
]);

export class Ledger {
  readonly model: BridgeModel;
  readonly #contracts: Contracts;
  /** Actions of the newest blocks, by block. */
  #recent: { readonly number: bigint; readonly actions: readonly L1Action[] }[] = [];
  /** Actions by kind and outcome. */
  readonly counts = new Map<string, number>();

  constructor(model: BridgeModel, contracts: Contracts) {
    this.model = model;
    this.#contracts = contracts;
  }

  book(block: MinedBlock, actions: readonly L1Action[]): void {
    this.model.journal.begin(block.number);
    this.#recent = [...this.#recent.slice(-7), { number: block.number, actions }];
    if (block.transactions.length !== actions.length) {
      throw new Error(`L1 block ${block.number} has ${block.transactions.length} of ${actions.length} transactions`);
    }
    for (const [index, action] of actions.entries()) this.#bookOne(block, block.transactions[index]!, action);
  }

  /** Takes the newest `depth` blocks back; returns their actions, by block. */
  takeBack(depth: number): readonly (readonly L1Action[])[] {
    const blocks = this.#recent.splice(-depth);
    this.model.journal.revertAbove(blocks[0]!.number - 1n);
    return blocks.map(({ actions }) => actions);
  }

  #bookOne({ number, timestamp }: MinedBlock, mined: MinedTransaction, action: L1Action): void {
    const { kind, from, to, data, settle } = action;
    if (mined.from !== from.toLowerCase() || mined.to !== to.toLowerCase() || mined.input !== data) {
      throw new Error(`L1 block ${number} has another transaction where "${kind}" should be`);
    }
    const expected = action.expected(timestamp);
    if (expected !== "either" && (expected === "taken") !== mined.isSuccess) {
      throw new Violation(`"${kind}" was ${mined.isSuccess ? "taken" : "refused"} by L1, to be ${expected}`);
    }
    const outcome = expected === "either" ? (mined.isSuccess ? "taken" : "refused") : expected;
    const name = `${kind}, ${outcome}`;
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    this.#bookLogs(mined.logs, number, timestamp, action);
    if (mined.isSuccess) settle?.(timestamp);
  }

  #bookLogs(logs: readonly RpcLog[], l1Number: bigint, timestamp: bigint, action: L1Action): void {
    const { portal, token } = this.#contracts;
    let receivedWei = 0n;
    let mintedWei = 0n;
    const payments: { readonly to: Hex; readonly value: bigint }[] = [];
    for (const log of logs) {
      if (log.address !== portal && log.address !== token) continue;
      const event = decode(log);
      if (event?.eventName === "TransactionDeposited") {
        const { mint } = opaqueDataToDepositData(event.args.opaqueData);
        const { blockHash, logIndex } = log;
        const l2Hash = getL2TransactionHash({
          log: { args: event.args, blockHash, logIndex: Number(logIndex) } as never,
        });
        mintedWei += mint;
        this.model.deposited({ l2Hash, mintWei: mint, l1Number });
      } else if (event?.eventName === "WithdrawalFinalized") {
        this.model.finalized(event.args.withdrawalHash, timestamp);
      } else if (event?.eventName === "Transfer") {
        const { from, to, value } = event.args;
        if (to.toLowerCase() === portal) receivedWei += value;
        if (from.toLowerCase() === portal) payments.push({ to: to.toLowerCase() as Hex, value });
      }
    }
    const { kind, pays, donatesWei = 0n } = action;
    if (receivedWei !== mintedWei + donatesWei) {
      throw new Violation(`"${kind}" gave the portal ${receivedWei} wei for ${mintedWei + donatesWei}`);
    }
    if (donatesWei > 0n) this.model.donated(donatesWei);
    const due = logs.length > 0 && pays !== undefined && pays.valueWei > 0n ? [pays] : [];
    const isPaid =
      payments.length === due.length &&
      due.every(({ target, valueWei }, i) => {
        return payments[i]!.to === target && payments[i]!.value === valueWei;
      });
    if (!isPaid) throw new Violation(`"${kind}" paid ${payments.map(({ to, value }) => `${value} wei to ${to}`)}`);
  }
}

function decode({ data, topics }: RpcLog) {
  try {
    return decodeEventLog({ abi: EVENTS, data, topics: topics as [Hex, ...Hex[]] });
  } catch {
    // Another event of these two contracts.
    return undefined;
  }
}
