/** Runs `openledger data`. Contents are printed one a line, anything else one value a line; with --json as objects. */
import { createReadStream, openAsBlob, rmSync } from "node:fs";
import { mkdtemp, open, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createPublicClient, http } from "viem";
import type { Hex } from "../../core/bytes.ts";
import { actor } from "../bridge-cli/actor.ts";
import { dataOptions } from "../commands/data.ts";
import { readOptions, type Values } from "../config.ts";
import { EXIT, OperationError, UsageError } from "../errors.ts";
import { readChainId, readVersion } from "./datanet.ts";
import { download, fileRoot } from "./download.ts";
import { fetchVersion, type Progress } from "./fetch.ts";
import { decrypt, describeKey, encrypt, grant, grantsFileOf } from "./sealing.ts";
import { signingAs } from "./signing.ts";
import { listContents, provenBytes, putContent, type StoreClient } from "./store-client.ts";

/** A store may send no more for a root whose size nobody told. */
const MAX_CONTENT_BYTES = 64 * 1024 ** 3;

interface Call {
  readonly values: Partial<Values>;
  /** At least one. */
  readonly stores: readonly StoreClient[];
  readonly subjects: readonly string[];
}

interface Action {
  /** Names of what comes before the flags; undefined: nothing does. */
  readonly subject?: "FILE" | "ROOT";
  readonly isMany?: boolean;
  run(call: Call): Promise<number>;
}

const ACTIONS: Readonly<Record<string, Action>> = {
  put: { subject: "FILE", isMany: true, run: runPut },
  get: { subject: "ROOT", run: runGet },
  list: { run: runList },
  fetch: { run: runFetch },
  encrypt: { subject: "FILE", run: runEncrypt },
  decrypt: { subject: "FILE", run: runDecrypt },
  grant: { subject: "FILE", run: runGrant },
  key: { run: runKey },
};

/** Resolves to the exit code. Throws UsageError, DataError, OperationError. */
export async function runData(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  const action = Object.hasOwn(ACTIONS, name ?? "") ? ACTIONS[name as string] : undefined;
  if (action === undefined) {
    throw new UsageError(`data needs one of: ${Object.keys(ACTIONS).join(", ")}; see openledger data --help`);
  }
  const flagsFrom = rest.findIndex((word) => word.startsWith("-"));
  const subjects = flagsFrom < 0 ? rest : rest.slice(0, flagsFrom);
  const isCountRight = action.isMany ? subjects.length > 0 : subjects.length === (action.subject === undefined ? 0 : 1);
  if (!isCountRight) {
    const expected = action.subject === undefined ? "nothing before its flags" : `a ${action.subject}`;
    throw new UsageError(`data ${name} takes ${expected}; see openledger data --help`);
  }
  const values = readOptions(rest.slice(subjects.length), process.env, dataOptions);
  const urls = values["content.url"] as readonly string[];
  const wrong = urls.find((url) => !/^https?:\/\//.test(url) || !URL.canParse(url));
  if (wrong !== undefined || urls.length === 0)
    throw new UsageError(`--content.url "${wrong ?? ""}" is not an http or https URL`);
  return action.run({ values, stores: urls.map((url) => ({ url })), subjects });
}

/** The stores, asked as the account that is named, if one is. */
async function asAccount({ values, stores }: Call): Promise<readonly StoreClient[]> {
  if (values.account === undefined && values.keyfile === undefined) return stores;
  const chainId = await readChainId(createPublicClient({ transport: http(values.rpc as string) }));
  const account = actor(chainId, values.account as number | undefined, values.keyfile as string | undefined);
  return stores.map(({ url }) => ({ url, authorize: signingAs(account, chainId) }));
}

const tell = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

function print(values: Partial<Values>, fields: Readonly<Record<string, string | number>>): void {
  const line = values.json === true ? JSON.stringify(fields) : Object.values(fields).join(" ");
  process.stdout.write(`${line}\n`);
}

function describe(values: Partial<Values>, fields: Readonly<Record<string, string | number>>): void {
  if (values.json === true) print(values, fields);
  else for (const [name, value] of Object.entries(fields)) process.stdout.write(`${name.padEnd(12)}${value}\n`);
}

/** Throws UsageError. */
export function contentRootOf(text: string | undefined): Hex {
  if (!/^0x[0-9a-fA-F]{64}$/.test(text ?? "")) {
    throw new UsageError(`${JSON.stringify(text)} is not a content root: 0x and 64 hex digits`);
  }
  return (text as string).toLowerCase() as Hex;
}

/** Puts the file and prints its root. The store's word is not enough: the root is computed here. */
export async function putFile(
  store: StoreClient,
  file: string,
): Promise<{ readonly root: Hex; readonly size: number }> {
  const { root, size } = await fileRoot(file);
  const answered = await putContent(store, await openAsBlob(file));
  if (answered !== root) throw new OperationError(`${store.url} calls ${file} ${answered}, which is ${root}`);
  return { root, size };
}

async function runPut({ values, stores, subjects }: Call): Promise<number> {
  for (const file of subjects) {
    for (const store of stores) await putFile(store, file);
    const { root, size } = await fileRoot(file);
    print(values, { root, size, file });
  }
  return EXIT.ok;
}

async function runGet(call: Call): Promise<number> {
  const { values, subjects } = call;
  const root = contentRootOf(subjects[0]);
  const stores = await asAccount(call);
  const out = values.out as string | undefined;
  const range = values.range as string | undefined;
  if (range !== undefined) await getRange(stores, root, range, out);
  else if (out !== undefined) await getWhole(stores, root, out);
  else await withScratch((file) => getToOutput(stores, root, file));
  return EXIT.ok;
}

async function getWhole(stores: readonly StoreClient[], root: Hex, file: string): Promise<void> {
  const missing = await download(stores, { root, maxBytes: MAX_CONTENT_BYTES }, file);
  if (missing === undefined) return;
  rmSync(`${file}.partial`, { force: true });
  throw new OperationError(missing.details.join("\n"));
}

/** Checked before the first byte is printed. */
export async function getToOutput(stores: readonly StoreClient[], root: Hex, scratch: string): Promise<void> {
  await getWhole(stores, root, scratch);
  await pipeline(createReadStream(scratch), process.stdout, { end: false });
}

export async function withScratch<T>(work: (file: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "openledger-"));
  try {
    return await work(join(folder, "content"));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Nothing is printed twice: another store goes on where one failed. */
async function getRange(
  stores: readonly StoreClient[],
  root: Hex,
  range: string,
  out: string | undefined,
): Promise<void> {
  const [first, last] = range.split("-").map(Number) as [number, number];
  if (last < first || last >= Number.MAX_SAFE_INTEGER) throw new UsageError(`--range ${range} is not a range of bytes`);
  const target = out === undefined ? undefined : await open(`${out}.partial`, "w");
  let at = first;
  const failures: string[] = [];
  try {
    for (const store of stores) {
      try {
        for await (const bytes of provenBytes(store, root, at, last + 1)) {
          if (target === undefined) process.stdout.write(bytes);
          else await target.appendFile(bytes);
          at += bytes.length;
        }
        if (target !== undefined) await rename(`${out}.partial`, out as string);
        return;
      } catch (error) {
        if (!(error instanceof OperationError)) throw error;
        failures.push(error.message);
      }
    }
  } finally {
    await target?.close();
  }
  await rm(`${out}.partial`, { force: true });
  throw new OperationError(failures.join("\n"));
}

async function runList({ values, stores }: Call): Promise<number> {
  for await (const { root, size } of listContents(stores[0]!)) print(values, { root, size });
  return EXIT.ok;
}

async function runFetch(call: Call): Promise<number> {
  const { values } = call;
  const { datanet, version: wanted, out, rpc } = values;
  if (datanet === undefined || out === undefined) throw new UsageError("data fetch needs --datanet ID and --out DIR");
  const client = createPublicClient({ transport: http(rpc as string) });
  const version = await readVersion(client, BigInt(datanet as number), wanted as number | undefined);
  const { number, root, contributions } = version;
  tell(`Datanet ${datanet} version ${number}: ${contributions.length} contributions, root ${root}, as on chain`);
  const missing = await fetchVersion(version, {
    stores: await asAccount(call),
    directory: out as string,
    takesWithdrawn: values.withdrawn === true,
    onProgress: progressTeller(tell),
  });
  const withdrawn = values.withdrawn === true ? 0 : contributions.filter(({ withdrawnAt }) => withdrawnAt > 0n).length;
  for (const { id, root: content, reason, details } of missing) {
    tell(`missing: contribution ${id}, content ${content}, ${MEANING[reason]}`);
    for (const detail of details) tell(`  ${detail}`);
  }
  describe(values, {
    datanet: Number(version.datanetId),
    version: number,
    fetched: contributions.length - withdrawn - missing.length,
    withdrawn,
    missing: missing.length,
    directory: dirname(join(out as string, "manifest.json")),
  });
  return missing.length === 0 ? EXIT.ok : EXIT.failure;
}

const fileOption = (values: Partial<Values>, name: "out" | "keyfile" | "grants") => values[name] as string | undefined;

function outOf(values: Partial<Values>): string {
  const out = fileOption(values, "out");
  if (out === undefined) throw new UsageError("--out FILE is missing: where to write");
  return out;
}

const recipientsOf = (values: Partial<Values>) => values.recipient as readonly string[];

async function runEncrypt({ values, subjects }: Call): Promise<number> {
  describe(values, await encrypt(subjects[0]!, outOf(values), recipientsOf(values), fileOption(values, "keyfile")));
  return EXIT.ok;
}

async function runDecrypt({ values, subjects }: Call): Promise<number> {
  const sealed = subjects[0]!;
  const grants = fileOption(values, "grants") ?? grantsFileOf(sealed);
  describe(values, await decrypt(sealed, grants, outOf(values), fileOption(values, "keyfile")));
  return EXIT.ok;
}

async function runGrant({ values, subjects }: Call): Promise<number> {
  describe(values, await grant(subjects[0]!, recipientsOf(values), fileOption(values, "keyfile")));
  return EXIT.ok;
}

async function runKey({ values }: Call): Promise<number> {
  describe(values, describeKey(fileOption(values, "keyfile")));
  return EXIT.ok;
}

const MEANING = {
  unavailable: "which no store has",
  denied: "which is given to granted accounts only: --keyfile",
  wrong: "in whose place a store sends something else",
  withdrawn: "whose contributor has withdrawn consent, and which no store has",
} as const;

/** A line each tenth of the bytes, so that a large fetch is no long list. */
function progressTeller(line: (text: string) => void): (progress: Progress) => void {
  let told = 0;
  return ({ contributions, ofContributions, bytes, ofBytes }) => {
    const tenths = Math.floor((bytes * 10) / Math.max(1, ofBytes));
    if (tenths === told) return;
    told = tenths;
    line(`${contributions} of ${ofContributions} contributions, ${bytes} of ${ofBytes} bytes`);
  };
}
