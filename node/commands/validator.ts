/** `openledger validator`: a validator's key and its memory. */
import { renameSync } from "node:fs";
import { join } from "node:path";
import { baseView, epochOfView } from "../../consensus/types.ts";
import { bytesToHex } from "../../core/bytes.ts";
import { dataDirectory, readOptions, type Values } from "../config.ts";
import { OperationError, UsageError } from "../errors.ts";
import type { Command } from "../help.ts";
import { systemFiles } from "../validator/files.ts";
import { readGuard, writeGuard } from "../validator/guard-file.ts";
import { createKey, importKey, publicKeyOf } from "../validator/keys.ts";
import { lockValidator } from "../validator/lock.ts";
import { logPath } from "../validator/state.ts";

const options = ["config", "datadir", "validator.password", "above.epoch", "above.view"] as const;

const print = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value)}\n`);
};

const passwordOf = (values: Partial<Values>): string => {
  const file = values["validator.password"] as string | undefined;
  if (file === undefined) throw new UsageError("--validator.password FILE is needed");
  return file;
};

/** What is known of the key, without its password. */
async function list(dir: string): Promise<void> {
  const publicKey = publicKeyOf(dir);
  if (publicKey === undefined) return;
  const guard = await readGuard(systemFiles, dir);
  const contents = "contents" in guard ? guard.contents : undefined;
  const last = contents?.last ?? 0;
  const epoch = epochOfView(last);
  print({
    publicKey,
    guard: guard.type,
    isImported: contents?.isImported ?? null,
    epoch,
    view: last - baseView(epoch),
  });
}

/** The operator takes responsibility: nothing up to the named view is signed, everything after it may be. */
async function resume(dir: string, values: Partial<Values>): Promise<void> {
  const epoch = values["above.epoch"] as number | undefined;
  const view = values["above.view"] as number | undefined;
  if (epoch === undefined || view === undefined) {
    throw new UsageError(
      "validator resume needs --above.epoch and --above.view: where the network is, as its /ready says",
    );
  }
  const lock = lockValidator(dir);
  try {
    const guard = await readGuard(systemFiles, dir);
    if (!("contents" in guard))
      throw new OperationError(`the signer guard in ${dir} is ${guard.type}: import the key anew`);
    const { contents } = guard;
    const floor = Math.max(contents.floor, contents.last, baseView(epoch) + view);
    const file = await writeGuard(systemFiles, dir, {
      ...contents,
      floor,
      last: floor,
      isImported: false,
      resumedAtMs: Date.now(),
      votes: [],
    });
    await file.close();
    const log = logPath(dir);
    if ((await systemFiles.list(log)) !== undefined) renameSync(log, `${log}-before-${Date.now()}`);
    print({
      publicKey: bytesToHex(contents.publicKey),
      signsAbove: { epoch: epochOfView(floor), view: floor - baseView(epochOfView(floor)) },
    });
  } finally {
    lock.release();
  }
}

export const validatorCommand: Command = {
  name: "validator",
  argumentsUsage: "keys create | keys import FILE | keys list | resume",
  summary: "Make, import and list the key of a validator; let it sign again",
  description: `keys create       makes a key, encrypted with the password in --validator.password FILE, and prints its public key and
                  proof of possession
keys import FILE  takes the key of an EIP-2335 keystore of the same password; it observes until validator resume
keys list         prints the key, the state of its signer guard and the last view it signed
resume            after a lost or damaged log, a moved directory or an import: signs again above --above.epoch and
                  --above.view, which must be at or above all that the key has signed anywhere`,
  options,
  async run(args) {
    const words = args.slice(0, args.findIndex((word) => word.startsWith("-")) >>> 0);
    const [first, second, file] = words;
    const values = readOptions(args.slice(words.length), process.env, options);
    const dir = join(dataDirectory(values, "devnet"), "validator");
    const action = first === "keys" ? `keys ${second}` : first;
    const takes = action === "keys import" ? 3 : first === "keys" ? 2 : 1;
    if (words.length !== takes)
      throw new UsageError("validator needs keys create, keys import FILE, keys list or resume");
    if (action === "keys create") print(await createKey(dir, passwordOf(values)));
    else if (action === "keys import") print(await importKey(dir, file as string, passwordOf(values)));
    else if (action === "keys list") await list(dir);
    else if (action === "resume") await resume(dir, values);
    else throw new UsageError(`unknown action ${JSON.stringify(words.join(" "))}; see openledger validator --help`);
    return 0;
  },
};
