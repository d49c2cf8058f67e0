/** How blocks of a chain come about, as far as simulated ones do: what calls and their state do not say. */
import { MESSAGE_PASSER_ADDRESS } from "../../core/addresses.ts";
import { EMPTY_BYTES, ZERO_32 } from "../../core/bytes.ts";
import type { ForeignParts, Header, Receipt } from "../../core/chain.ts";
import { nextBaseFee } from "../block/base-fee.ts";
import type { ParentBlock } from "../block/execute.ts";
import { protocolFields } from "../block/header.ts";
import { writeSystemState } from "../block/system-writes.ts";
import type { ChainRules } from "../rules.ts";
import type { SealedState, StateLayer } from "../state/types.ts";
import type { HeaderContext } from "../tx/environment.ts";
import type { Machine } from "../tx/machine.ts";
import type { PlacedInput } from "./sequence.ts";

/** What is known when the block's state is. */
export type LateFields = Pick<Header, "withdrawalsRoot" | "requestsHash">;

export type OpenHeader = Omit<
  Header,
  keyof LateFields | "gasUsed" | "blobGasUsed" | "stateRoot" | "transactionsRoot" | "receiptsRoot" | "logsBloom"
> &
  HeaderContext;

/** One block, from its overrides to its header. */
export interface BlockForm {
  readonly rules: ChainRules;
  readonly header: OpenHeader;
  /** What other blocks than this chain's have. */
  readonly foreign?: ForeignParts;
  /** What the protocol does before the calls. */
  begin(layer: StateLayer): void;
  /** What it does after them. Resolves to why there can be no such block, in words for the caller, where there cannot. */
  end(machine: Machine, receipts: readonly Receipt[]): Promise<string | undefined>;
  lateFields(sealed: SealedState): LateFields;
}

export interface BlockForms {
  /** Between blocks where nothing else is said. */
  readonly blockSeconds: bigint;
  /** Or why there can be none, in words for the caller. */
  next(parent: ParentBlock, input: PlacedInput, isValidating: boolean): BlockForm | string;
}

/** Blocks of this chain, without deposits, L1 fees and changes of the validator set. */
export class OwnForms implements BlockForms {
  readonly blockSeconds = 1n;
  readonly #rules: ChainRules;

  constructor(rules: ChainRules) {
    this.#rules = rules;
  }

  next({ header: before, hash }: ParentBlock, input: PlacedInput, isValidating: boolean): BlockForm | string {
    if ((input.withdrawals?.length ?? 0) > 0) return "this chain has no withdrawals";
    const rules = this.#rules;
    const { requestsHash, blobGasUsed: _, ...fixed } = protocolFields;
    const header: OpenHeader = {
      extraData: EMPTY_BYTES,
      prevRandao: ZERO_32,
      coinbase: before.coinbase,
      gasLimit: before.gasLimit,
      // Calls are free in a block that is not validated, so that nobody has to be given wei first.
      baseFeePerGas: isValidating ? nextBaseFee(before, rules) : 0n,
      ...input.block,
      ...fixed,
      parentBeaconBlockRoot: input.beaconRoot ?? ZERO_32,
      parentHash: hash,
      number: input.number,
      timestamp: input.timestamp,
    };
    return {
      rules,
      header,
      begin: (layer) => writeSystemState(layer, header),
      end: async () => undefined,
      lateFields: (sealed) => ({ requestsHash, withdrawalsRoot: sealed.storageRoot(MESSAGE_PASSER_ADDRESS) }),
    };
  }
}
