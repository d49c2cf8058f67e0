/** `openledger stake`: what help and main need of it; the work is loaded only to be done. */
import type { Command } from "../help.ts";

export const stakeOptions = [
  "config",
  "datadir",
  "validator.devnetkey",
  "validator.passwordfile",
  "amount",
  "account",
  "keyfile",
  "json",
] as const;

export const stakeCommand: Command = {
  name: "stake",
  argumentsUsage: "register | add | exit | withdraw | snapshot | report FILE | status",
  summary: "Stake a validator on L1, let it leave, have equivocation slashed",
  description: `register     registers the validator's key with --amount of OPEN, which the account owns and gets back
add          adds --amount of OPEN to the validator's stake
exit         lets the validator leave, for good: its weight goes with the next snapshots
withdraw     gives the stake of a validator that left back to its account, or says what it waits for
snapshot     sends the next validator set to L2, where it takes over with the next epoch; anybody may
report FILE  has a validator slashed for two votes that contradict each other, from a node's evidence folder; anybody may
status       prints stake, state and place in the sets: L2's current and pending one, and L1's newest

The validator is the one whose key is in the data directory (openledger validator keys create), on a devnet also that of
--validator.devnetkey. Whoever pays is --keyfile or, on a devnet, --account. The network is that of the data directory
(network.json).`,
  options: stakeOptions,
  async run(args) {
    const { runStake } = await import("../stake-cli/cli.ts");
    return runStake(args);
  },
};
