/** From file, environment and flags to checked values; all problems are reported together. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { Timing } from "../consensus/timing.ts";
import { UsageError } from "./errors.ts";
import type { OptionSpec } from "./option-spec.ts";
import { OPTIONS, type OptionDefaults, type OptionName, type OptionSpecs } from "./options.ts";
import { type RpcConfig, rpcConfig } from "./rpc-options.ts";
import { type TxpoolConfig, txpoolConfig } from "./txpool-options.ts";

type Value = string | number | boolean | readonly string[] | undefined;
export type Values = Readonly<Record<OptionName, Value>>;

/** What a node needs to know, checked. Addresses are host names or IP addresses to listen on. */
export interface NodeConfig {
  readonly network: string;
  readonly datadir: string;
  readonly http: HttpConfig | undefined;
  /** Host names that every server accepts besides its address. */
  readonly vhosts: readonly string[];
  readonly txFeeCapWei: bigint;
  /** Undefined: the pool's defaults, and nothing is kept. */
  readonly txpool?: TxpoolConfig | undefined;
  /** Undefined: the part does not run. */
  readonly graphql: GraphqlConfig | undefined;
  readonly content: Listener | undefined;
  readonly contents?: ContentsConfig | undefined;
  readonly host: Listener | undefined;
  readonly metrics: Listener | undefined;
  /** Undefined: alone. */
  readonly p2p: P2pConfig | undefined;
  /** Undefined: L1 is not watched. */
  readonly l1: L1Config | undefined;
  readonly sync: "full" | "checkpoint";
  /** States below the head that are kept. Undefined: all. */
  readonly keepStates?: bigint | undefined;
  readonly timing: Timing;
  readonly logLevel: string;
  readonly logBlocks: boolean;
  readonly logFormat: "pretty" | "json";
}

export interface HttpConfig extends Listener {
  readonly corsOrigins: readonly string[];
  /** Namespaces that are offered. */
  readonly apis: readonly string[];
  readonly rpc: RpcConfig;
}

export interface GraphqlConfig extends Listener {
  readonly corsOrigins: readonly string[];
  /** Undefined: no limit. */
  readonly requestsPerSecond: number | undefined;
  readonly maxSubscribers: number;
  readonly operations: { readonly path: string; readonly only: boolean } | undefined;
  readonly trustsProxy: boolean;
  /** postgres:// URL. Undefined: the file in the data directory. */
  readonly indexUrl: string | undefined;
}

/** What the node does with contents, whether it serves them over HTTP or not. */
export interface ContentsConfig {
  /** Open Datanets whose contents it brings from its peers. */
  readonly replicate: "all" | readonly bigint[];
  readonly takesUploads: boolean;
  /** Of curators' quality reports, over HTTP. */
  readonly servesReports: boolean;
  readonly limits: { readonly maxItemBytes: number; readonly maxTotalBytes: number };
}

export interface P2pConfig extends Listener {
  /** Multiaddrs. */
  readonly announce: readonly string[];
  /** Multiaddrs with peer ids. */
  readonly bootnodes: readonly string[];
  readonly trusted: readonly string[];
  /** Peer ids; empty: anybody. */
  readonly allow: readonly string[];
  readonly maxPeers: number;
}

export interface L1Config {
  /** JSON-RPC endpoints, at least one. */
  readonly urls: readonly string[];
  readonly pollMs: number;
  /** File with the private key that posts; undefined: this node posts nothing. */
  readonly keyFile: string | undefined;
  /** Beacon node; undefined: batches in blobs are not read. */
  readonly beacon: string | undefined;
  readonly data: "calldata" | "blobs";
}

export interface Listener {
  readonly address: string;
  readonly port: number;
}

/** How far two words are apart, for "did you mean". At most a few dozen short words are compared. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

/** `"; did you mean X?"`, or nothing when no known word is close. */
export function suggestion(word: string, known: readonly string[], prefix = ""): string {
  const best = known
    .map((candidate) => ({ candidate, distance: editDistance(word.slice(0, 64), candidate) }))
    .sort((a, b) => a.distance - b.distance)[0];
  return best !== undefined && best.distance <= Math.max(2, word.length / 3)
    ? `; did you mean ${prefix}${best.candidate}?`
    : "";
}

function parseValue(name: string, spec: OptionSpec, text: string, problems: string[]): Value {
  const refuse = (expected: string): undefined => {
    problems.push(`--${name} ${JSON.stringify(text.slice(0, 80))} is not ${expected}`);
  };
  switch (spec.type) {
    case "boolean":
      return text === "true" || text === "" ? true : text === "false" ? false : refuse("true or false");
    case "port": {
      const port = /^\d{1,5}$/.test(text) ? Number(text) : -1;
      return port >= 0 && port <= 65_535 ? port : refuse("a port from 0 to 65535");
    }
    case "integer": {
      const [low, high] = [spec.minimum ?? 0, spec.maximum ?? Number.MAX_SAFE_INTEGER];
      const number = /^\d{1,16}$/.test(text) ? Number(text) : -1;
      return number >= low && number <= high ? number : refuse(`an integer from ${low} to ${high}`);
    }
    case "choice":
      return spec.choices?.includes(text) ? text : refuse(`one of ${spec.choices?.join(", ")}`);
    case "list":
      return text.split(",").flatMap((word) => (word.trim() === "" ? [] : [word.trim()]));
    case "address":
      return /^[0-9A-Za-z.:_-]{1,253}$/.test(text) ? text : refuse("an address to listen on");
    case "account":
      return /^0x[0-9a-fA-F]{40}$/.test(text) ? text.toLowerCase() : refuse("an account: 0x and 40 hex digits");
    case "url":
      return /^https?:\/\/./.test(text) && URL.canParse(text) ? text : refuse("an http or https URL");
    case "range":
      return /^\d{1,16}-\d{1,16}$/.test(text) ? text : refuse("a range of bytes such as 0-255");
    case "amount":
      return /^\d{1,30}(\.\d{1,18})?$/.test(text) ? text : refuse("an amount with at most 18 decimals");
    case "text":
      return /^[\x21-\x7e]{1,200}$/.test(text) ? text : refuse("a name of 1 to 200 characters without spaces");
    case "path":
      return text === "" ? refuse("a path") : resolve(text.replace(/^~(?=\/|$)/, homedir()));
  }
}

const environmentName = (name: string): string => `OPENLEDGER_${name.toUpperCase().replaceAll(/[.-]/g, "_")}`;

function readConfigFile(file: string, allowed: readonly OptionName[], problems: string[]): Map<string, string> {
  const found = new Map<string, string>();
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    problems.push(`--config ${file} cannot be read: ${(error as Error).message}`);
    return found;
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    problems.push(`--config ${file} must hold a JSON object`);
    return found;
  }
  for (const [key, value] of Object.entries(json)) {
    const isScalar = ["string", "number", "boolean"].includes(typeof value);
    const isList = Array.isArray(value) && value.every((item) => typeof item === "string");
    if (key === "config" || !allowed.includes(key as OptionName)) {
      problems.push(`${file}: unknown option ${JSON.stringify(key)}${suggestion(key, allowed)}`);
    } else if (!isScalar && !isList) {
      problems.push(`${file}: ${key} must be a text, number, boolean or list of texts`);
    } else {
      found.set(key, isList ? value.join(",") : String(value));
    }
  }
  return found;
}

/** Splits `--name value`, `--name=value` and boolean `--name`. Also takes a single dash, as geth does. */
function readFlags(
  args: readonly string[],
  allowed: readonly OptionName[],
  specs: OptionSpecs,
  problems: string[],
): Map<string, string> {
  const found = new Map<string, string>();
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    const match = /^--?([a-z][a-z0-9.]*)(?:=(.*))?$/s.exec(arg);
    const name = match?.[1] as OptionName | undefined;
    if (name === undefined || !allowed.includes(name)) {
      const near = name === undefined ? "" : suggestion(name, [...allowed, "help"], "--");
      problems.push(
        arg.startsWith("-") ? `unknown flag ${arg.split("=")[0]}${near}` : `unexpected argument ${JSON.stringify(arg)}`,
      );
      // Its value, if it has one, is not a second mistake.
      if (arg.startsWith("-") && match?.[2] === undefined && args[i + 1]?.startsWith("-") === false) i++;
      continue;
    }
    const { type } = specs[name] ?? OPTIONS[name];
    const before = found.get(name);
    if (before !== undefined && type !== "list") problems.push(`--${name} is given twice`);
    const value = match?.[2] ?? (type === "boolean" ? "true" : args[++i]);
    if (value === undefined) problems.push(`--${name} needs a value`);
    else found.set(name, before !== undefined && type === "list" ? `${before},${value}` : value);
  }
  return found;
}

/** Checked values of the options `allowed`; `defaults` and `specs` are the command's own. Throws UsageError that lists every problem. */
export function readOptions(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  allowed: readonly OptionName[],
  defaults: OptionDefaults = {},
  specs: OptionSpecs = {},
): Values {
  const problems: string[] = [];
  const flags = readFlags(args, allowed, specs, problems);
  const configFile = flags.get("config") ?? (allowed.includes("config") ? environment.OPENLEDGER_CONFIG : undefined);
  const file = configFile === undefined ? new Map<string, string>() : readConfigFile(configFile, allowed, problems);
  const known = new Set((Object.keys(OPTIONS) as OptionName[]).map(environmentName));
  for (const name of Object.keys(environment)) {
    if (name.startsWith("OPENLEDGER_") && !known.has(name)) {
      problems.push(`unknown environment variable ${name}${suggestion(name, [...known])}`);
    }
  }
  const values: Partial<Record<OptionName, Value>> = {};
  for (const name of allowed) {
    const spec: OptionSpec = specs[name] ?? OPTIONS[name];
    const text =
      flags.get(name) ?? environment[environmentName(name)] ?? file.get(name) ?? defaults[name] ?? spec.default;
    if (text !== undefined) values[name] = parseValue(name, spec, text, problems);
  }
  if (problems.length > 0) throw new UsageError(problems.join("\n"));
  return values as Values;
}

export function dataDirectory(values: Partial<Values>, network: string): string {
  return (values.datadir as string | undefined) ?? join(homedir(), ".openledger", network);
}

const MIB = 1024 * 1024;

function contentsConfig(values: Partial<Values>): ContentsConfig | undefined {
  const named = values["content.replicate"] as readonly string[] | undefined;
  if (named === undefined) return undefined;
  const isWord = named.length === 1 && (named[0] === "none" || named[0] === "all");
  if (!isWord && !named.every((word) => /^[1-9]\d{0,15}$/.test(word))) {
    throw new UsageError(`--content.replicate ${JSON.stringify(named.join(","))} is not none, all or ids of Datanets`);
  }
  return {
    replicate: named[0] === "all" ? "all" : named[0] === "none" ? [] : named.map(BigInt),
    takesUploads: values["content.uploads"] !== false,
    servesReports: values["content.quality"] === true,
    limits: {
      maxItemBytes: (values["content.maxitem"] as number) * MIB,
      maxTotalBytes: (values["content.maxtotal"] as number) * MIB,
    },
  };
}

/** Of a command's options. Throws UsageError. */
export function graphqlConfig(values: Partial<Values>): GraphqlConfig {
  const operations = values["graphql.operations"] as string | undefined;
  const only = values["graphql.operationsonly"] === true;
  if (only && operations === undefined) throw new UsageError("--graphql.operationsonly needs --graphql.operations");
  return {
    address: values["graphql.addr"] as string,
    port: values["graphql.port"] as number,
    corsOrigins: (values["graphql.corsdomain"] ?? []) as readonly string[],
    requestsPerSecond: (values["graphql.rate"] as number) || undefined,
    maxSubscribers: values["graphql.subscribers"] as number,
    operations: operations === undefined ? undefined : { path: operations, only },
    trustsProxy: values["graphql.proxy"] === true,
    indexUrl: indexUrl(values),
  };
}

/** Throws UsageError for what is no postgres:// URL; its text may hold a password and is not repeated. */
export function indexUrl(values: Partial<Values>): string | undefined {
  const url = values["index.url"] as string | undefined;
  if (url !== undefined && !/^postgres(ql)?:\/\//.test(url)) {
    throw new UsageError("--index.url is no postgres:// URL; a file is chosen by --datadir");
  }
  return url;
}

/** What --log.format comes to. */
export function logFormat(values: Partial<Values>, isTerminal = process.stdout.isTTY === true): "pretty" | "json" {
  const format = values["log.format"] as "auto" | "pretty" | "json";
  return format === "auto" ? (isTerminal ? "pretty" : "json") : format;
}

/** States below the head that --gcmode and --history.state keep; undefined: all. */
export const keptStates = (values: Partial<Values>): bigint | undefined =>
  values.gcmode === "full" ? BigInt(values["history.state"] as number) : undefined;

/** Of a command's options. Parts that it cannot choose are off, but for JSON-RPC. */
export function nodeConfig(values: Partial<Values>, network: string, isTerminal: boolean): NodeConfig {
  const listener = (name: "http" | "p2p" | "content" | "host" | "metrics"): Listener => ({
    address: values[`${name}.addr`] as string,
    port: values[`${name}.port`] as number,
  });
  if (values["l1.data"] === "blobs" && values["l1.keyfile"] !== undefined && values["l1.beacon"] === undefined) {
    throw new UsageError("--l1.data blobs needs --l1.beacon: whoever posts blobs has to see them again");
  }
  const optional = (name: "content" | "host" | "metrics") => (values[name] === true ? listener(name) : undefined);
  const list = (name: OptionName) => (values[name] ?? []) as readonly string[];
  return {
    network,
    datadir: dataDirectory(values, network),
    http:
      values.http !== false
        ? { ...listener("http"), corsOrigins: list("http.corsdomain"), apis: list("http.api"), rpc: rpcConfig(values) }
        : undefined,
    vhosts: list("http.vhosts"),
    txFeeCapWei: BigInt(values["rpc.txfeecap"] as number) * 10n ** 18n,
    txpool: txpoolConfig(values),
    graphql: values.graphql === true ? graphqlConfig(values) : undefined,
    content: optional("content"),
    contents: contentsConfig(values),
    host: optional("host"),
    metrics: optional("metrics"),
    p2p:
      values.p2p === true
        ? {
            ...listener("p2p"),
            announce: list("p2p.announce"),
            bootnodes: list("p2p.bootnodes"),
            trusted: list("p2p.peers"),
            allow: list("p2p.allow"),
            maxPeers: values["p2p.maxpeers"] as number,
          }
        : undefined,
    l1:
      list("l1.urls").length === 0
        ? undefined
        : {
            urls: list("l1.urls"),
            pollMs: values["l1.poll"] as number,
            keyFile: values["l1.keyfile"] as string | undefined,
            beacon: values["l1.beacon"] as string | undefined,
            data: values["l1.data"] as "calldata" | "blobs",
          },
    sync: (values.sync as "full" | "checkpoint" | undefined) ?? "full",
    keepStates: keptStates(values),
    timing: {
      intervalMs: values["block.interval"] as number,
      heartbeatMs: values["block.heartbeat"] as number,
      deltaMs: values["consensus.delta"] as number,
    },
    logLevel: values["log.level"] as string,
    logBlocks: values["log.blocks"] !== false,
    logFormat: logFormat(values, isTerminal),
  };
}
