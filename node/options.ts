/**
 * Every option once: name, type, default, unit and help. Flags, environment, file and help texts all come from here.
 * Precedence: configuration file < environment < flags.
 */

import { LICENCES } from "../core/licences.ts";
import { RPC_OPTIONS } from "./rpc-options.ts";
import { TXPOOL_OPTIONS } from "./txpool-options.ts";

export type OptionType =
  | "path"
  | "address"
  | "account"
  | "port"
  | "integer"
  | "boolean"
  | "choice"
  | "list"
  | "amount"
  | "range"
  | "text"
  | "url";

export interface OptionSpec {
  readonly type: OptionType;
  /** In the form that a user would write. Undefined: no default. */
  readonly default?: string;
  readonly choices?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  /** Word for the value in help texts. */
  readonly value?: string;
  readonly group:
    | "Node"
    | "Validator"
    | "Network"
    | "JSON-RPC"
    | "Transaction pool"
    | "GraphQL"
    | "Content store"
    | "Data"
    | "Model host"
    | "Watching"
    | "Lineage"
    | "Metrics"
    | "L1"
    | "Bridge"
    | "Chain"
    | "Logging";
  readonly help: string;
}

/** All but "NONE". */
const LICENCE_NAMES: readonly string[] = LICENCES.slice(1).map(({ spdx }) => spdx);

const port = (fallback: string, group: OptionSpec["group"], help: string): OptionSpec => ({
  type: "port",
  default: fallback,
  value: "PORT",
  group,
  help,
});

const listen = (group: OptionSpec["group"], help: string): OptionSpec => ({
  type: "address",
  default: "127.0.0.1",
  value: "ADDRESS",
  group,
  help,
});

export const OPTIONS = {
  config: {
    type: "path",
    value: "FILE",
    group: "Node",
    help: "JSON file with options, keys as the flags without dashes",
  },
  datadir: { type: "path", value: "DIR", group: "Node", help: "Data directory (default ~/.openledger/<network>)" },
  fresh: {
    type: "boolean",
    default: "false",
    group: "Node",
    help: "Delete the chain, index, content and answers in the data directory first",
  },
  validators: {
    type: "integer",
    default: "4",
    minimum: 1,
    maximum: 16,
    value: "N",
    group: "Node",
    help: "Validators of the devnet, each a process of its own; one runs in this process, without a network",
  },
  genesis: {
    type: "path",
    value: "FILE",
    group: "Node",
    help: "Genesis of the network: the same file on all its nodes",
  },
  sync: {
    type: "choice",
    default: "full",
    choices: ["full", "checkpoint"],
    value: "MODE",
    group: "Node",
    help: "full executes every block; checkpoint takes the state of a recent certified block from peers",
  },
  gcmode: {
    type: "choice",
    default: "full",
    choices: ["archive", "full"],
    value: "MODE",
    group: "Node",
    help: "full keeps the newest states, archive every state since the start",
  },
  "history.state": {
    type: "integer",
    default: "8192",
    minimum: 128,
    maximum: 1_000_000_000,
    value: "N",
    group: "Node",
    help: "States below the head that are kept with --gcmode full",
  },
  validator: {
    type: "boolean",
    default: "false",
    group: "Validator",
    help: "Vote with the key in the data directory's validator folder",
  },
  "validator.fee": {
    type: "account",
    value: "ADDRESS",
    group: "Validator",
    help: "Account that receives the priority fees of own blocks (default: the validator's)",
  },
  "validator.devnetkey": {
    type: "integer",
    maximum: 255,
    value: "INDEX",
    group: "Validator",
    help: "Vote with this publicly known key instead, on a devnet only",
  },
  "validator.passwordfile": {
    type: "path",
    value: "FILE",
    group: "Validator",
    help: "File whose one line is the password of the validator's keystore",
  },
  "validator.address": {
    type: "account",
    value: "ADDRESS",
    group: "Validator",
    help: "Account that the validator will be declared with, printed beside its key",
  },
  "above.epoch": {
    type: "integer",
    value: "EPOCH",
    group: "Validator",
    maximum: 2 ** 21 - 1,
    help: "Epoch of --above.view",
  },
  "above.view": {
    type: "integer",
    value: "VIEW",
    group: "Validator",
    maximum: 2 ** 32 - 1,
    help: "View of that epoch, at or below which nothing will be signed",
  },
  p2p: { type: "boolean", default: "true", group: "Network", help: "Talk to other nodes" },
  "p2p.addr": listen("Network", "Listening address for peers"),
  "p2p.port": port("9222", "Network", "Listening port for peers"),
  "p2p.announce": {
    type: "list",
    default: "",
    value: "ADDRESSES",
    group: "Network",
    help: "Multiaddrs at which others reach this node, comma-separated (default: the listening address)",
  },
  "p2p.bootnodes": {
    type: "list",
    default: "",
    value: "ADDRESSES",
    group: "Network",
    help: "Multiaddrs with peer ids where others are found, comma-separated",
  },
  "p2p.peers": {
    type: "list",
    default: "",
    value: "ADDRESSES",
    group: "Network",
    help: "Multiaddrs with peer ids that are always kept connected, comma-separated",
  },
  "p2p.allow": {
    type: "list",
    default: "",
    value: "PEERS",
    group: "Network",
    help: "Peer ids that may connect, comma-separated (default: any)",
  },
  "p2p.maxpeers": {
    type: "integer",
    default: "50",
    maximum: 500,
    value: "N",
    group: "Network",
    help: "Most peers at a time",
  },
  http: { type: "boolean", default: "true", group: "JSON-RPC", help: "Serve JSON-RPC and WebSocket" },
  "http.addr": listen("JSON-RPC", "Listening address of JSON-RPC and WebSocket"),
  "http.port": port("8545", "JSON-RPC", "Listening port of JSON-RPC and WebSocket"),
  "http.api": {
    type: "list",
    default: "eth,net,web3,txpool,debug,openledger,optimism",
    value: "GROUPS",
    group: "JSON-RPC",
    help: "Groups of methods that are offered, comma-separated; also admin, which tells of peers and paths",
  },
  "http.vhosts": {
    type: "list",
    default: "",
    value: "NAMES",
    group: "JSON-RPC",
    help: "Further Host names that all servers accept, comma-separated; localhost and addresses always are",
  },
  "http.corsdomain": {
    type: "list",
    default: "",
    value: "ORIGINS",
    group: "JSON-RPC",
    help: "Origins that browsers may call from, comma-separated, * for all",
  },
  "rpc.txfeecap": {
    type: "integer",
    default: "1",
    maximum: 1_000_000,
    value: "OPEN",
    group: "JSON-RPC",
    help: "Highest fee of a transaction sent by RPC, in OPEN; 0 for no cap",
  },
  ...RPC_OPTIONS,
  ...TXPOOL_OPTIONS,
  graphql: { type: "boolean", default: "true", group: "GraphQL", help: "Run the indexer and its GraphQL server" },
  "graphql.addr": listen("GraphQL", "Listening address of GraphQL"),
  "graphql.port": port("4000", "GraphQL", "Listening port of GraphQL"),
  "graphql.corsdomain": {
    type: "list",
    value: "ORIGINS",
    group: "GraphQL",
    help: "Origins of web pages that may ask GraphQL, comma-separated, * for all",
  },
  "graphql.rate": {
    type: "integer",
    default: "50",
    maximum: 1_000_000,
    value: "REQUESTS",
    group: "GraphQL",
    help: "GraphQL requests of one client a second, after ten seconds' worth at once; 0 for no limit",
  },
  "graphql.subscribers": {
    type: "integer",
    default: "100",
    maximum: 100_000,
    value: "COUNT",
    group: "GraphQL",
    help: "Subscriptions that are open at once",
  },
  "graphql.operations": {
    type: "path",
    value: "PATH",
    group: "GraphQL",
    help: "Known operations: a folder of .graphql files, or a JSON file by sha256",
  },
  "graphql.operationsonly": {
    type: "boolean",
    default: "false",
    group: "GraphQL",
    help: "Refuse every other operation",
  },
  "graphql.proxy": {
    type: "boolean",
    default: "false",
    group: "GraphQL",
    help: "A proxy in front of GraphQL names the client (X-Forwarded-For)",
  },
  "index.url": {
    type: "text",
    value: "URL",
    group: "GraphQL",
    help: "postgres:// URL of the index; ?schema=NAME for one of several (default: a file in the data directory)",
  },
  "index.sample": {
    type: "integer",
    default: "1000",
    maximum: 1_000_000_000,
    value: "ROWS",
    group: "GraphQL",
    help: "Rows of each kind that are compared with the chain, chosen at random; 0 for all",
  },
  content: { type: "boolean", default: "true", group: "Content store", help: "Run the content store" },
  "content.addr": listen("Content store", "Listening address of the content store"),
  "content.port": port("7070", "Content store", "Listening port of the content store"),
  "content.replicate": {
    type: "list",
    default: "none",
    value: "DATANETS",
    group: "Content store",
    help: "Open Datanets whose contents are brought from peers and held: none, all, or ids, comma-separated",
  },
  "content.uploads": {
    type: "boolean",
    default: "true",
    group: "Content store",
    help: "Take contents that are put over HTTP",
  },
  "content.quality": {
    type: "boolean",
    default: "false",
    group: "Content store",
    help: "Serve reports on contributions at /quality; to make one can hold the node up for a second",
  },
  "content.maxitem": {
    type: "integer",
    default: "256",
    minimum: 1,
    maximum: 65_536,
    value: "MIB",
    group: "Content store",
    help: "Largest content, in MiB",
  },
  "content.maxtotal": {
    type: "integer",
    default: "10240",
    minimum: 1,
    maximum: 1_073_741_824,
    value: "MIB",
    group: "Content store",
    help: "All contents together, in MiB",
  },
  "content.url": {
    type: "list",
    default: "http://127.0.0.1:7070",
    value: "URL",
    group: "Data",
    help: "Content store, given several times for several: where one lacks or lies the next is asked",
  },
  rpc: { type: "url", default: "http://127.0.0.1:8545", value: "URL", group: "Data", help: "JSON-RPC of a node" },
  datanet: { type: "integer", minimum: 1, value: "ID", group: "Data", help: "Datanet" },
  licence: {
    type: "choice",
    choices: LICENCE_NAMES,
    value: "SPDX",
    group: "Data",
    help: "Licence that the contributions are declared under",
  },
  "datanet.licence": {
    type: "choice",
    choices: LICENCE_NAMES,
    value: "SPDX",
    group: "Data",
    help: "Licence of the Datanet that they are meant for",
  },
  version: {
    type: "integer",
    minimum: 1,
    maximum: 2 ** 32 - 1,
    value: "N",
    group: "Data",
    help: "Version of the Datanet (default: the newest)",
  },
  out: { type: "path", value: "PATH", group: "Data", help: "File, or for fetch the directory, to write to" },
  range: { type: "range", value: "A-B", group: "Data", help: "Bytes A to B of the content, B included, each checked" },
  recipient: {
    type: "list",
    default: "",
    value: "PUBLICKEY",
    group: "Data",
    help: "Who may open a sealed content: compressed public key, as data key prints it; several times for several",
  },
  grants: { type: "path", value: "FILE", group: "Data", help: "Grants of a sealed content (default: beside it)" },
  withdrawn: {
    type: "boolean",
    default: "false",
    group: "Data",
    help: "Fetch contributions too whose consent was withdrawn",
  },
  host: {
    type: "boolean",
    default: "true",
    group: "Model host",
    help: "Run the model host with the last devnet account",
  },
  "host.addr": listen("Model host", "Listening address of the model host"),
  "host.port": port("8080", "Model host", "Listening port of the model host"),
  "host.url": {
    type: "url",
    value: "URL",
    group: "Model host",
    help: "Address for clients that joining puts on chain (default: the listening one)",
  },
  "content.dir": {
    type: "path",
    value: "DIR",
    group: "Model host",
    help: "Where the host keeps its contents; no other process may write there (default: in the data directory)",
  },
  models: {
    type: "list",
    default: "auto",
    value: "IDS",
    group: "Model host",
    help: "Models to serve, comma-separated; auto: all that the account has joined",
  },
  join: { type: "list", default: "", value: "IDS", group: "Model host", help: "Models to join first, comma-separated" },
  stake: {
    type: "amount",
    value: "AMOUNT",
    group: "Model host",
    help: "Deposit what the account's stake lacks to this much OPEN",
  },
  free: {
    type: "boolean",
    default: "false",
    group: "Model host",
    help: "Answer also without a request on chain: traced, not signed, not paid",
  },
  engine: {
    type: "choice",
    default: "infinity-gram",
    choices: ["infinity-gram", "openai"],
    value: "KIND",
    group: "Model host",
    help: "What makes the text: the data itself, or a server with OpenAI's interface",
  },
  "engine.url": {
    type: "url",
    value: "URL",
    group: "Model host",
    help: "Of engine openai, with the path in front of /chat/completions",
  },
  "engine.model": {
    type: "text",
    value: "NAME",
    group: "Model host",
    help: "Of engine openai: the server's name of it",
  },
  "engine.keyfile": {
    type: "path",
    value: "FILE",
    group: "Model host",
    help: "File whose one line is the key for engine openai's server",
  },
  "engine.keyenv": {
    type: "text",
    value: "NAME",
    group: "Model host",
    help: "Environment variable that holds the key instead",
  },
  "engine.timeout": {
    type: "integer",
    default: "60",
    minimum: 1,
    maximum: 3_600,
    value: "SECONDS",
    group: "Model host",
    help: "Longest silence of engine openai's server, in seconds; ten times that for a whole answer",
  },
  "engine.parallel": {
    type: "integer",
    default: "16",
    minimum: 1,
    maximum: 256,
    value: "N",
    group: "Model host",
    help: "Answers of engine openai under way at once",
  },
  retrieval: {
    type: "integer",
    default: "0",
    maximum: 32,
    value: "N",
    group: "Model host",
    help: "Passages of the model's data put before engine openai, and cited; 0 for none",
  },
  "batch.size": {
    type: "integer",
    default: "64",
    minimum: 1,
    maximum: 256,
    value: "N",
    group: "Model host",
    help: "Answers that are committed, or settled, together at most",
  },
  "batch.seconds": {
    type: "integer",
    default: "10",
    maximum: 3_600,
    value: "SECONDS",
    group: "Model host",
    help: "Longest wait of an answer for others, in seconds; a near deadline ends it",
  },
  answers: {
    type: "path",
    value: "DIR",
    group: "Watching",
    help: "Signed answers as hosts gave them, one JSON file each: for contradictions, and for private outputs",
  },
  demand: {
    type: "integer",
    default: "0",
    maximum: 1_000,
    value: "N",
    group: "Watching",
    help: "Of 1,000 answers, how many hosts must show a random chunk of their model's data; each puts up a bond",
  },
  lookback: {
    type: "integer",
    default: "10000",
    maximum: 10_000_000,
    value: "BLOCKS",
    group: "Watching",
    help: "Blocks before the head in which to look for open answers at the start",
  },
  "rpc.poll": {
    type: "integer",
    default: "1000",
    minimum: 50,
    maximum: 60_000,
    value: "MS",
    group: "Model host",
    help: "Time between looks at the chain, in milliseconds: a small part of half a settlement window",
  },
  "max.unsettled": {
    type: "integer",
    default: "4096",
    minimum: 1,
    maximum: 1_000_000,
    value: "N",
    group: "Model host",
    help: "Answers that are not settled; with more, requests are refused",
  },
  "max.corpus": {
    type: "integer",
    default: "4096",
    minimum: 1,
    maximum: 1_048_576,
    value: "MIB",
    group: "Model host",
    help: "Data of one model, in MiB; models with more are refused",
  },
  "keep.answers": {
    type: "integer",
    default: "100000",
    maximum: 100_000_000,
    value: "N",
    group: "Model host",
    help: "Settled answers that are kept for clients that ask again",
  },
  file: { type: "path", value: "FILE", group: "Lineage", help: "The answer, byte for byte (default: standard input)" },
  root: { type: "text", value: "ROOT", group: "Lineage", help: "Content root of the answer" },
  output: { type: "integer", minimum: 1, value: "ID", group: "Lineage", help: "Id of the inference" },
  block: {
    type: "integer",
    value: "NUMBER",
    group: "Lineage",
    help: "What was so after this block (default: the last one in the index)",
  },
  "graphql.url": {
    type: "url",
    default: "http://127.0.0.1:4000/graphql",
    value: "URL",
    group: "Lineage",
    help: "GraphQL of an indexer",
  },
  verify: {
    type: "url",
    value: "RPC",
    group: "Lineage",
    help: "Prove what GraphQL says by this JSON-RPC, without believing either",
  },
  checkpoint: {
    type: "text",
    value: "HASH",
    group: "Lineage",
    help: "Last block of an epoch that is trusted: only later epochs are followed (default: all since genesis)",
  },
  model: { type: "integer", minimum: 1, value: "ID", group: "Lineage", help: "Model" },
  url: { type: "url", value: "URL", group: "Lineage", help: "Where to POST the events" },
  "url.tokenfile": { type: "path", value: "FILE", group: "Lineage", help: "File with the bearer token for --url" },
  metrics: { type: "boolean", default: "true", group: "Metrics", help: "Serve health and metrics" },
  "metrics.addr": listen("Metrics", "Listening address of health and metrics"),
  "metrics.port": port("6060", "Metrics", "Listening port of health and metrics"),
  l1: {
    type: "boolean",
    default: "true",
    group: "L1",
    help: "Run an L1 (anvil) with the bridge, the registry and OPEN beside the devnet",
  },
  "l1.port": port("9545", "L1", "Port of the devnet's L1"),
  "l1.interval": {
    type: "integer",
    default: "2",
    minimum: 1,
    maximum: 60,
    value: "SECONDS",
    group: "L1",
    help: "Time between blocks of the devnet's L1, in seconds",
  },
  "l1.urls": {
    type: "list",
    default: "",
    value: "URLS",
    group: "L1",
    help: "JSON-RPC endpoints of L1, comma-separated; when one fails the next is asked",
  },
  "l1.poll": {
    type: "integer",
    default: "1000",
    minimum: 50,
    maximum: 60_000,
    value: "MS",
    group: "L1",
    help: "Time between looks at L1's head, in milliseconds",
  },
  "l1.keyfile": {
    type: "path",
    value: "FILE",
    group: "L1",
    help: "Private key whose account posts batches and outputs to L1, as 0x and 64 hex digits (default: nothing is posted)",
  },
  "l1.beacon": {
    type: "url",
    value: "URL",
    group: "L1",
    help: "Beacon node of L1, for batches that are posted as blobs",
  },
  "l1.data": {
    type: "choice",
    default: "calldata",
    choices: ["calldata", "blobs"],
    value: "KIND",
    group: "L1",
    help: "How batches are posted",
  },
  account: {
    type: "integer",
    maximum: 9,
    value: "INDEX",
    group: "Bridge",
    help: "Act as this account of the devnet's ten, on a devnet only",
  },
  keyfile: {
    type: "path",
    value: "FILE",
    group: "Bridge",
    help: "Private key to act with, as 0x and 64 hex digits",
  },
  amount: { type: "amount", value: "AMOUNT", group: "Bridge", help: "Amount in OPEN, up to 18 decimals" },
  to: { type: "account", value: "ADDRESS", group: "Bridge", help: "Account that receives it (default: the own one)" },
  "block.interval": {
    type: "integer",
    default: "1000",
    minimum: 50,
    maximum: 60_000,
    value: "MS",
    group: "Chain",
    help: "Shortest time between blocks that carry transactions, in milliseconds",
  },
  "block.heartbeat": {
    type: "integer",
    default: "5000",
    minimum: 50,
    maximum: 600_000,
    value: "MS",
    group: "Chain",
    help: "Time between blocks while there are no transactions, in milliseconds",
  },
  "consensus.delta": {
    type: "integer",
    default: "500",
    minimum: 20,
    maximum: 60_000,
    value: "MS",
    group: "Chain",
    help: "Longest time that a message should take between validators, in milliseconds: a missing leader costs twice that",
  },
  "log.blocks": { type: "boolean", default: "true", group: "Logging", help: "A line for each block" },
  "log.level": {
    type: "choice",
    default: "info",
    choices: ["trace", "debug", "info", "warn", "error"],
    value: "LEVEL",
    group: "Logging",
    help: "Least severity that is printed",
  },
  "log.format": {
    type: "choice",
    default: "auto",
    choices: ["auto", "pretty", "json"],
    value: "FORMAT",
    group: "Logging",
    help: "auto is pretty on a terminal and JSON elsewhere",
  },
  json: { type: "boolean", default: "false", group: "Node", help: "Print JSON" },
  blocks: {
    type: "path",
    value: "FILE",
    group: "Node",
    help: "File of RLP blocks, as export blocks or geth writes it",
  },
  from: { type: "integer", value: "NUMBER", group: "Node", help: "First block (default: 1)" },
  samples: {
    type: "integer",
    default: "16",
    maximum: 1_000_000,
    value: "N",
    group: "Node",
    help: "States below the head that are checked whole, spread over the chain",
  },
  force: { type: "boolean", default: "false", group: "Node", help: "Roll back although the key here has signed above" },
} as const satisfies Record<string, OptionSpec>;

export type OptionName = keyof typeof OPTIONS;

/** Options that mean something else to one command. */
export type OptionSpecs = Readonly<Partial<Record<OptionName, OptionSpec>>>;

/** A command's own defaults, in the form that a user would write. */
export type OptionDefaults = Readonly<Partial<Record<OptionName, string>>>;
