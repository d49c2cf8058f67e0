/** The access list (EIP-2930) of a call: what it finds cold. */
import { bytesToHex, hexToBytes } from "../../core/bytes.ts";
import type { AccessListEntry } from "../../core/chain.ts";
import type { ChainRules } from "../rules.ts";
import { OverlayLayer } from "../state/layer.ts";
import type { StateReader } from "../state/types.ts";
import { type CallRequest, type CallResult, callMessage } from "./call.ts";
import type { HeaderContext } from "./environment.ts";
import type { Machine } from "./machine.ts";

export type AccessListResult =
  /** `gasUsed`: with the list; `failure`: geth's word for why the call failed, which then still has its list. */
  | {
      readonly ok: true;
      readonly accessList: readonly AccessListEntry[];
      readonly gasUsed: bigint;
      readonly failure: string | undefined;
    }
  /** Refused before anything ran, in geth's words. */
  | { readonly ok: false; readonly message: string };

/** Hex of addresses and slots, without prefix. */
type Accesses = Map<string, Set<string>>;

/**
 * Runs the call with what its last run found cold until nothing new is: what is listed changes the gas that code sees.
 * Addresses that are warm without a list are not in it, and what the caller listed stays. Each run is on a layer of its
 * own above `state`. Rejects with what the machine's pause throws.
 */
export async function createAccessList(
  machine: Machine,
  request: CallRequest,
  header: HeaderContext,
  state: StateReader,
  rules: ChainRules,
): Promise<AccessListResult> {
  const known: Accesses = new Map();
  for (const { address, storageKeys } of request.accessList ?? []) {
    add(known, hexOf(address), storageKeys.map(hexOf));
  }
  for (;;) {
    const accessList = [...known].map(([address, slots]) => ({
      address: hexToBytes(`0x${address}`),
      storageKeys: [...slots].map((slot) => hexToBytes(`0x${slot}`)),
    }));
    machine.stateManager.setLayer(new OverlayLayer(state));
    const { result, cold } = await runReporting(machine, { ...request, accessList }, header, rules);
    if (!result.ok && result.gasUsed === 0n) return { ok: false, message: result.reason };
    let isMore = false;
    for (const [address, slots] of cold) isMore = add(known, address, slots) || isMore;
    if (!isMore)
      return { ok: true, accessList, gasUsed: result.gasUsed, failure: result.ok ? undefined : result.reason };
  }
}

async function runReporting(
  machine: Machine,
  request: CallRequest,
  header: HeaderContext,
  rules: ChainRules,
): Promise<{ readonly result: CallResult; readonly cold: Accesses }> {
  const { evm } = machine;
  evm.journal.startReportingAccessList();
  const cold = evm.journal.accessList as Accesses;
  const created = new Set<string>();
  const onCreation = (event: { readonly address: { toString(): string } }) => {
    created.add(event.address.toString().slice(2));
  };
  evm.events.on("newContract", onCreation);
  try {
    const result = await callMessage(machine, request, header, rules);
    // A contract that is created is warm without a list, but not its slots.
    for (const address of created) if (cold.get(address)?.size === 0) cold.delete(address);
    return { result, cold };
  } finally {
    evm.events.off("newContract", onCreation);
    delete evm.journal.accessList;
  }
}

/** Whether it was not all there before. */
function add(known: Accesses, address: string, slots: Iterable<string>): boolean {
  const found = known.get(address);
  const all = new Set([...(found ?? []), ...slots]);
  known.set(address, all);
  return found === undefined || all.size > found.size;
}

const hexOf = (bytes: Uint8Array): string => bytesToHex(bytes).slice(2);
