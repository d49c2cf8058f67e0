/** `openledger validator`: what help and main need of it; the work is loaded only to be done. */
import type { Command } from "../help.ts";

export const validatorOptions = [
  "config",
  "datadir",
  "validator.passwordfile",
  "validator.address",
  "above.epoch",
  "above.view",
  "json",
] as const;

export const validatorCommand: Command = {
  name: "validator",
  argumentsUsage:
    "keys create | keys import FILE | keys list | resume | protection export FILE | protection import FILE",
  summary: "Make, import and list a validator's key, carry its record, let it sign again",
  description: `keys create             makes a key, encrypted with a password, and prints what a genesis or a registry takes of it:
                        {"address", "publicKey", "proofOfPossession"}; the address is that of --validator.address
keys import FILE        takes the key of an EIP-2335 keystore; it only observes until its record is imported, or
                        until validator resume
keys list               prints the key, the last view that it signed, and whether a node would sign with it
resume                  lets a validator sign again that only observes: its log or signer guard is lost or damaged, its
                        directory was copied or restored, its key was imported. Nothing is signed that this directory
                        knows of, nor at or below --above.epoch and --above.view, which are needed where it cannot know
                        all: take the epoch and view that the network is in after the key has stopped everywhere
protection export FILE  writes what the key has signed, for another machine; stop the node first, and never start it again
protection import FILE  refuses to sign from now on what contradicts the record in FILE

The password comes from the file in --validator.passwordfile, or is asked for.`,
  options: validatorOptions,
  async run(args) {
    const { runValidator } = await import("../validator/cli.ts");
    return runValidator(args);
  },
};
