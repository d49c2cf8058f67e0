/** Runs `openledger validator`. What it prints is JSON lines, but for `keys list` without --json. */
import { constants } from "node:fs";
import { open, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { baseView, epochOfView } from "../../consensus/types.ts";
import { compressBlsPublicKey } from "../../core/bls.ts";
import { bytesToHex } from "../../core/bytes.ts";
import { validatorOptions } from "../commands/validator.ts";
import { dataDirectory, readOptions, type Values } from "../config.ts";
import { isDirectoryLocked } from "../directory-lock.ts";
import { DataError, EXIT, OperationError, UsageError } from "../errors.ts";
import { systemFiles } from "./files.ts";
import { createKey, importKey, type PublicIdentity } from "./keys.ts";
import { readPassword } from "./password.ts";
import {
  decodeProtection,
  encodeProtection,
  exportProtection,
  importProtection,
  MAX_PROTECTION_BYTES,
} from "./protection.ts";
import { inspectValidator, resumeValidator } from "./resume.ts";

/** Words before the flags. */
const ACTIONS = {
  "keys create": { takesFile: false, run: create },
  "keys import": { takesFile: true, run: importKeystore },
  "keys list": { takesFile: false, run: list },
  resume: { takesFile: false, run: resume },
  "protection export": { takesFile: true, run: exportRecord },
  "protection import": { takesFile: true, run: importRecord },
} as const;

interface Call {
  /** `<datadir>/validator`. */
  readonly dir: string;
  /** Where the action takes one; absolute. */
  readonly file: string;
  readonly values: Partial<Values>;
}

/** Resolves to the exit code. Throws UsageError, DataError, OperationError. */
export async function runValidator(args: readonly string[]): Promise<number> {
  const flagsAt = args.findIndex((arg) => arg.startsWith("-"));
  const words = args.slice(0, flagsAt === -1 ? args.length : flagsAt);
  const name = Object.keys(ACTIONS).find((action) => action.split(" ").every((word, i) => words[i] === word));
  if (name === undefined) {
    throw new UsageError(`validator needs one of: ${Object.keys(ACTIONS).join(", ")}; see openledger validator --help`);
  }
  const { takesFile, run } = ACTIONS[name as keyof typeof ACTIONS];
  const rest = words.slice(name.split(" ").length);
  if (takesFile && rest.length === 0) throw new UsageError(`validator ${name} needs a FILE`);
  const unexpected = rest[takesFile ? 1 : 0];
  if (unexpected !== undefined) throw new UsageError(`unexpected argument ${JSON.stringify(unexpected)}`);
  const values = readOptions(args.slice(words.length), process.env, validatorOptions);
  const dir = join(dataDirectory(values, "devnet"), "validator");
  await run({ dir, file: resolve(rest[0] ?? ""), values });
  return EXIT.ok;
}

const print = (value: object): void => {
  process.stdout.write(`${JSON.stringify(value)}\n`);
};

/** A view as an operator reads it: its number in its epoch. */
const position = (view: number) => ({ epoch: epochOfView(view), view: view - baseView(epochOfView(view)) });
const positionText = (view: number): string => `view ${position(view).view} of epoch ${position(view).epoch}`;

function printIdentity({ publicKey, proofOfPossession }: PublicIdentity, values: Partial<Values>): void {
  const address = values["validator.address"] as string | undefined;
  print({
    ...(address === undefined ? {} : { address }),
    publicKey: bytesToHex(compressBlsPublicKey(publicKey)),
    proofOfPossession: bytesToHex(proofOfPossession),
  });
}

async function create({ dir, values }: Call): Promise<void> {
  const password = await readPassword({ file: values["validator.passwordfile"] as string | undefined, isNew: true });
  printIdentity(await createKey(dir, password), values);
}

async function importKeystore({ dir, file, values }: Call): Promise<void> {
  const password = await readPassword({ file: values["validator.passwordfile"] as string | undefined });
  printIdentity(await importKey(dir, file, password), values);
  process.stderr.write(
    "The key only observes here until its record is imported (validator protection import FILE) or you say that there is none (validator resume).\n",
  );
}

async function list({ dir, values }: Call): Promise<void> {
  const isRunning = (await systemFiles.list(dir)) !== undefined && isDirectoryLocked(dir);
  const { publicKey, guard, reasons, lastKnownView } = await inspectValidator(dir, systemFiles);
  const contents = "contents" in guard ? guard.contents : undefined;
  // While a node writes, log and guard need not agree.
  const mode = isRunning ? "in use" : reasons.length === 0 ? "sign" : "observe";
  const known = {
    publicKey: bytesToHex(publicKey),
    mode,
    reasons: isRunning ? [] : reasons,
    lastSigned: contents === undefined ? undefined : position(contents.last),
    signsAbove: position(contents?.floor ?? 0),
    lastKnown: position(lastKnownView),
    chainId: contents?.network?.chainId.toString(),
    genesisHash: contents?.network === undefined ? undefined : bytesToHex(contents.network.genesisHash),
    resumedAt:
      contents === undefined || contents.resumedAtMs === 0 ? undefined : new Date(contents.resumedAtMs).toISOString(),
  };
  if (values.json === true) {
    print(known);
    return;
  }
  const rows: readonly (readonly [string, string | undefined])[] = [
    ["Public key", known.publicKey],
    ["Mode", mode],
    ...known.reasons.map((reason) => ["Because", reason] as const),
    ["Last signed", contents === undefined ? "unknown" : contents.last === 0 ? "nothing" : positionText(contents.last)],
    ["Signs above", contents === undefined || contents.floor === 0 ? undefined : positionText(contents.floor)],
    ["Chain id", known.chainId],
    ["Genesis", known.genesisHash],
    ["Resumed", known.resumedAt],
  ];
  for (const [name, value] of rows) if (value !== undefined) process.stdout.write(`${name.padEnd(16)}${value}\n`);
}

/** Undefined when neither is given. */
function aboveView(values: Partial<Values>): number | undefined {
  const epoch = values["above.epoch"] as number | undefined;
  const view = values["above.view"] as number | undefined;
  if (epoch === undefined && view === undefined) return undefined;
  if (epoch === undefined || view === undefined) throw new UsageError("--above.epoch and --above.view go together");
  return baseView(epoch) + view;
}

async function resume({ dir, values }: Call): Promise<void> {
  await requireDirectory(dir);
  const resumed = await resumeValidator(dir, aboveView(values), Date.now());
  if (resumed === undefined) process.stderr.write("Nothing to do: this validator signs.\n");
  else {
    print({ signsAbove: position(resumed.aboveView), accepted: resumed.reasons });
    process.stderr.write(
      `It stays silent up to ${positionText(resumed.aboveView)}. A network that cannot pass that view without this validator stands still.\n`,
    );
  }
}

async function exportRecord({ dir, file }: Call): Promise<void> {
  await requireDirectory(dir);
  const protection = await exportProtection(dir);
  try {
    const handle = await open(file, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    try {
      await handle.writeFile(encodeProtection(protection));
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    const exists = (error as NodeJS.ErrnoException).code === "EEXIST";
    throw new OperationError(`${file} ${exists ? "exists" : `cannot be written: ${(error as Error).message}`}`, {
      cause: error,
    });
  }
  print({ publicKey: bytesToHex(protection.publicKey), lastSigned: position(protection.lastView) });
}

async function importRecord({ dir, file }: Call): Promise<void> {
  await requireDirectory(dir);
  const protection = decodeProtectionFile(file, await readText(file));
  try {
    print({
      publicKey: bytesToHex(protection.publicKey),
      signsAbove: position(await importProtection(dir, protection)),
    });
  } catch (error) {
    throw error instanceof DataError ? new DataError(`${file}: ${error.message}`, { cause: error }) : error;
  }
}

async function readText(file: string): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size > MAX_PROTECTION_BYTES) throw new Error(`it has ${size} bytes`);
    const handle = await open(file);
    try {
      return await handle.readFile("utf8");
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw new OperationError(`${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

function decodeProtectionFile(file: string, text: string) {
  try {
    return decodeProtection(text);
  } catch (error) {
    throw error instanceof DataError ? new DataError(`${file}: ${error.message}`, { cause: error }) : error;
  }
}

/** The lock would make a file where no validator is. */
async function requireDirectory(dir: string): Promise<void> {
  if ((await systemFiles.list(dir)) !== undefined) return;
  throw new DataError(`${dir} does not exist; make a key with openledger validator keys create, or name its --datadir`);
}
