/**
 * What EIP-7702 means for the pool, as geth has it. Whoever can run code as an account can also move its balance and
 * nonce, and with one cheap transaction make all that it has here void: such an account gets one place.
 */
import { bytesToHex } from "../../core/bytes.ts";
import type { Transaction } from "../../core/chain.ts";
import { recoverAuthority } from "../tx/authorization.ts";
import type { Places } from "./places.ts";
import { type Refusal, refuse } from "./rules.ts";
import type { SenderTransactions } from "./sender.ts";

/** Keys of the addresses that signed its authorizations, each once. Costs a recovery an authorization. */
export function authoritiesOf(tx: Transaction): readonly string[] {
  if (tx.authorizationList.length === 0) return [];
  const signers = tx.authorizationList.map(recoverAuthority).filter((signer) => signer !== undefined);
  return [...new Set(signers.map((signer) => bytesToHex(signer)))];
}

/** A delegated account, or one that is about to be, has one pending transaction at a time, and none after a gap. */
export function checkDelegatedSender(tx: Transaction, sender: SenderTransactions, places: Places): Refusal | undefined {
  if (!sender.isDelegated && !places.isAuthority(sender.key)) return undefined;
  if (sender.pending.length === 0) {
    if (tx.nonce === sender.accountNonce) return undefined;
    return refuse("delegated-gap", "gapped-nonce tx from delegated accounts");
  }
  if (sender.pendingAt(tx.nonce) !== undefined) return undefined;
  return refuse("delegated-limit", "in-flight transaction limit reached for delegated accounts");
}

/** Nobody becomes delegated here who has more than one transaction in the pool. */
export function checkAuthorities(authorities: readonly string[], places: Places): Refusal | undefined {
  const isReserved = authorities.some((key) => (places.senders.get(key)?.count ?? 0) > 1);
  return isReserved ? refuse("authority-reserved", "authority already reserved") : undefined;
}
