/** The state after one block as precompiles read it: the chain's own code runs on slots that were proven. */
import { ATTRIBUTION_ADDRESS } from "../../core/addresses.ts";
import { bytesToHex } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";
import { type PrecompileContext, PrecompileRevert } from "../../core/precompile.ts";
import { slotAt } from "../../precompiles/storage.ts";
import type { HashedHeader } from "../sync/messages.ts";
import { NotProven } from "./checks.ts";
import type { Ask } from "./endpoints.ts";
import { proveStorage } from "./state-proof.ts";

/** Slots proven at once: a struct's lie one after another. */
const SLOTS_AT_ONCE = 4;
/** Proofs that one reading may ask for. */
const MAX_PROOFS = 256;

/** Thrown by a reading that met a slot of which nothing is known yet. */
class Unproven extends Error {
  readonly account: Uint8Array;
  readonly slot: Uint8Array;
  constructor(account: Uint8Array, slot: Uint8Array) {
    super("a slot is not proven yet");
    this.account = account;
    this.slot = slot;
  }
}

export class ProvenState {
  readonly block: HashedHeader;
  readonly #ask: Ask;
  readonly #values = new Map<string, bigint>();
  readonly #context: PrecompileContext;

  constructor(ask: Ask, block: HashedHeader, chainId: bigint) {
    this.#ask = ask;
    this.block = block;
    const loadFrom = (account: Uint8Array, slot: Uint8Array): bigint => {
      const value = this.#values.get(keyOf(account, slot));
      if (value === undefined) throw new Unproven(account, slot);
      return value;
    };
    const refuse = (): never => {
      throw new Error("a reading changes nothing");
    };
    const nobody = new Uint8Array(20);
    this.#context = {
      self: ATTRIBUTION_ADDRESS,
      caller: nobody,
      value: 0n,
      isStatic: true,
      isTopLevel: false,
      chainId,
      blockNumber: block.header.number,
      timestamp: block.header.timestamp,
      useGas() {},
      load: (slot) => loadFrom(ATTRIBUTION_ADDRESS, slot),
      loadFrom,
      keccak: keccak256,
      store: refuse,
      credit: refuse,
      log: refuse,
      recover: refuse,
    };
  }

  /**
   * What a precompile's reading function finds; the account that it reads as its own is the attribution precompile. It
   * runs again with each slot that it lacked. Rejects with NotProven where the state does not have what it requires.
   */
  async read<T>(reading: (context: PrecompileContext) => T): Promise<T> {
    for (let proofs = 0; ; proofs++) {
      try {
        return reading(this.#context);
      } catch (error) {
        if (error instanceof PrecompileRevert)
          throw new NotProven(`the chain has no such thing: ${error.message}`, { cause: error });
        if (!(error instanceof Unproven) || proofs === MAX_PROOFS) throw error;
        await this.#prove(error);
      }
    }
  }

  async #prove({ account, slot }: Unproven): Promise<void> {
    const slots = Array.from({ length: SLOTS_AT_ONCE }, (_, offset) => slotAt(slot, offset));
    const values = await proveStorage(this.#ask, this.block, account, slots);
    for (const [i, value] of values.entries()) this.#values.set(keyOf(account, slots[i]!), value);
  }
}

const keyOf = (account: Uint8Array, slot: Uint8Array): string => bytesToHex(account) + bytesToHex(slot);
