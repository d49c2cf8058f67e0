/** Runs `openledger devnet`: validators with publicly known keys on this machine. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import devnet from "../genesis/networks/devnet.json" with { type: "json" };
import { parseGenesis } from "../genesis/schema.ts";
import { DEVNET_ACCOUNTS, devnetAccount, privateKeyOf } from "./accounts.ts";
import { banner } from "./banner.ts";
import { devnetDefaults, devnetOptions } from "./commands/devnet.ts";
import { nodeConfig, readOptions, type Values } from "./config.ts";
import { openDataDirectory } from "./data-directory.ts";
import { deleteDevL1 } from "./dev-l1/anvil.ts";
import { type AnchoredDevnet, openAnchoredDevnet, writePosterKey } from "./dev-l1/setup.ts";
import { devnetGenesis } from "./devnet-genesis.ts";
import { EXIT, OperationError } from "./errors.ts";
import { freePorts } from "./http.ts";
import { createLog, type Logger } from "./log.ts";
import { writeNetworkFile } from "./network.ts";
import { loadIdentity } from "./p2p/identity.ts";
import { runUntilSignal } from "./run.ts";
import { signalled } from "./signals.ts";
import { type Member, Supervisor } from "./supervisor.ts";
import { openValidator } from "./validator/open.ts";

export async function runDevnet(args: readonly string[]): Promise<number> {
  const values = readOptions(args, process.env, devnetOptions, devnetDefaults);
  const validators = values.validators as number;
  return validators === 1 ? runAlone(values) : runTogether(values, validators);
}

const firstBalance = (): bigint => parseGenesis(devnet).alloc[0]?.balanceWei ?? 0n;

/** One validator, in this process. */
async function runAlone(values: Values): Promise<number> {
  const config = nodeConfig(values, devnet.name, process.stdout.isTTY === true);
  const log = createLog(config.logLevel, config.logFormat);
  const isFresh = values.fresh === true;
  const directory = await openDataDirectory(config.datadir, isFresh);
  let anchored: AnchoredDevnet | undefined;
  try {
    // What the key signed on the chain that is gone would bind it on the new one, which is the same network.
    if (isFresh) rmSync(join(directory.path, "validator"), { recursive: true, force: true });
    anchored = await openL1(values, config.datadir, 1, log);
    const genesis = parseGenesis(anchored?.genesis ?? devnetGenesis(1));
    const validator = await openValidator({ datadir: directory.path, genesis, devnetKey: 0 });
    const l1 = anchored && nodeConfig({ ...values, ...l1Options(anchored, directory.path, 0) }, devnet.name, false).l1;
    try {
      return await runUntilSignal({ ...config, l1 }, genesis, {
        log,
        directory,
        validator,
        modelHostKey: privateKeyOf(devnetAccount(DEVNET_ACCOUNTS - 1)),
        failing: anchored?.l1.ended,
        onReady: (network) => process.stdout.write(banner(network, directory.path, 1, firstBalance())),
      });
    } finally {
      await validator.close();
    }
  } finally {
    await anchored?.stop();
    await directory.close();
  }
}

/** Each validator in a process of its own; the first serves what a devnet offers. */
async function runTogether(values: Values, validators: number): Promise<number> {
  const config = nodeConfig({ ...values, p2p: false }, devnet.name, process.stdout.isTTY === true);
  const log = createLog(config.logLevel, config.logFormat);
  const folders = Array.from({ length: validators }, (_, i) => join(config.datadir, `validator-${i}`));
  if (values.fresh === true) {
    for (const folder of folders) {
      // Takes the lock: a devnet that runs keeps its data.
      await (await openDataDirectory(folder, true)).close();
      rmSync(folder, { recursive: true, force: true });
    }
  }
  const anchored = await openL1(values, config.datadir, validators, log);
  const supervisor = new Supervisor(log);
  try {
    const members = await prepare(values, config.datadir, folders, anchored);
    const ending = signalled(log);
    const starting = supervisor.start(members);
    const first = await Promise.race([starting, ending]);
    if (first === undefined) return EXIT.ok;
    const network = first[0]!;
    writeNetworkFile(config.datadir, network);
    process.stdout.write(banner(network, config.datadir, validators, firstBalance()));
    const failure = await Promise.race([ending, ...(anchored === undefined ? [] : [anchored.l1.ended])]);
    if (failure === undefined) return EXIT.ok;
    log.error({ err: failure }, "halted");
    return EXIT.failure;
  } finally {
    await supervisor.stop();
    await anchored?.stop();
    log.info("stopped");
  }
}

/** Undefined with --l1=false. */
async function openL1(
  values: Values,
  datadir: string,
  validators: number,
  log: Logger,
): Promise<AnchoredDevnet | undefined> {
  const directory = join(datadir, "l1");
  if (values.fresh === true) deleteDevL1(directory);
  if (values.l1 !== true) return undefined;
  const port = values["l1.port"] as number;
  return openAnchoredDevnet(directory, { port, blockSeconds: values["l1.interval"] as number, validators }, log);
}

/** Of a node of this devnet. */
const l1Options = ({ l1 }: AnchoredDevnet, folder: string, index: number) => ({
  "l1.urls": [l1.url],
  "l1.beacon": l1.url,
  "l1.keyfile": writePosterKey(folder, index),
});

/** Writes genesis, identities and configurations. */
async function prepare(
  values: Values,
  datadir: string,
  folders: readonly string[],
  anchored: AnchoredDevnet | undefined,
): Promise<readonly Member[]> {
  const genesisFile = anchored?.genesisFile ?? join(datadir, "genesis.json");
  if (anchored === undefined) write(datadir, genesisFile, devnetGenesis(folders.length));
  const first = values["p2p.port"] as number;
  const ports = first === 0 ? await freePorts(folders.length) : folders.map((_, i) => first + i);
  const addresses: string[] = [];
  for (const [i, folder] of folders.entries()) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { peerId } = await loadIdentity(join(folder, "p2p", "identity"));
    addresses.push(`/ip4/127.0.0.1/tcp/${ports[i]}/p2p/${peerId}`);
  }
  return folders.map((folder, i) => {
    const configFile = join(folder, "openledger.json");
    write(folder, configFile, {
      ...passedOn(values),
      ...(anchored && l1Options(anchored, folder, i)),
      datadir: folder,
      genesis: genesisFile,
      validator: true,
      "validator.devnetkey": i,
      "p2p.port": ports[i],
      "p2p.peers": addresses.filter((_, other) => other !== i),
      ...(i === 0
        ? {}
        : { http: false, graphql: false, content: false, host: false, metrics: false, "log.blocks": false }),
    });
    return { name: basename(folder), configFile };
  });
}

const OWN: ReadonlySet<string> = new Set([
  "config",
  "datadir",
  "fresh",
  "validators",
  "p2p.port",
  "l1",
  "l1.port",
  "l1.interval",
]);

/** Options of the devnet that are its nodes' too. */
function passedOn(values: Values): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).filter(([name, value]) => !OWN.has(name) && value !== undefined && !isEmpty(value)),
  );
}

const isEmpty = (value: unknown): boolean => Array.isArray(value) && value.length === 0;

function write(folder: string, file: string, content: unknown): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`);
  } catch (error) {
    throw new OperationError(`${file} cannot be written: ${(error as Error).message}`, { cause: error });
  }
}
