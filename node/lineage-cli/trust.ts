/** What a verification believes: a network's genesis, from its file or beside a node's own network.json. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { bytesToHex, type Hex } from "../../core/bytes.ts";
import { memoryStore } from "../../execution/state/memory-store.ts";
import { type Genesis, parseGenesis } from "../../genesis/schema.ts";
import { dataDirectory, type Values } from "../config.ts";
import { devnetGenesis } from "../devnet-genesis.ts";
import { OperationError, UsageError } from "../errors.ts";
import { buildGenesisBlock } from "../genesis-block.ts";
import { readGenesis } from "../genesis-file.ts";
import { NETWORK_FILE, readNetworkFile } from "../network.ts";
import type { Trust } from "./certified-chain.ts";

/** Where a devnet keeps its own: with several validators, and with an L1. */
const GENESIS_FILES = ["genesis.json", join("l1", "genesis.json")];

/** Throws UsageError when nothing says what to trust, OperationError, DataError. */
export function readTrust(values: Partial<Values>): Trust {
  const checkpoint = values.checkpoint as string | undefined;
  if (checkpoint !== undefined && !/^0x[0-9a-fA-F]{64}$/.test(checkpoint)) {
    throw new UsageError(`--checkpoint ${JSON.stringify(checkpoint)} is not a block hash: 0x and 64 hex digits`);
  }
  const file = values.genesis as string | undefined;
  const genesis = file === undefined ? ownGenesis(dataDirectory(values, "devnet")) : readGenesis(file);
  return { genesis, checkpoint: checkpoint?.toLowerCase() as Hex | undefined };
}

function ownGenesis(datadir: string): Genesis {
  const genesis = genesisOf(datadir);
  if (genesis !== undefined) return genesis;
  throw new UsageError("--verify needs what to trust: --genesis FILE of the network, or the --datadir of an own node");
}

/** The genesis that network.json of the data directory names; undefined where there is none. Throws as readTrust does. */
export function genesisOf(datadir: string): Genesis | undefined {
  if (!existsSync(join(datadir, NETWORK_FILE))) return undefined;
  const { genesisHash } = readNetworkFile(datadir).openledger;
  const files = GENESIS_FILES.map((name) => join(datadir, name)).filter((file) => existsSync(file));
  const candidates = [...files.map((file) => () => readGenesis(file)), () => parseGenesis(devnetGenesis(1))];
  for (const read of candidates) {
    const genesis = read();
    if (bytesToHex(buildGenesisBlock(genesis, memoryStore()).block.hash) === genesisHash) return genesis;
  }
  throw new OperationError(`${datadir} has no genesis file of its network ${genesisHash}; name it with --genesis FILE`);
}
