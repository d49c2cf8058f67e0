/** Every command, in the order of the help. */
import type { Command } from "../help.ts";
import { bridgeCommand } from "./bridge.ts";
import { contentCommand } from "./content.ts";
import { dataCommand } from "./data.ts";
import { deriveCommand } from "./derive.ts";
import { devnetCommand } from "./devnet.ts";
import { exportCommand } from "./export.ts";
import { hostCommand } from "./host.ts";
import { importCommand } from "./import.ts";
import { indexCommand } from "./index.ts";
import { lineageCommand } from "./lineage.ts";
import { networkCommand } from "./network.ts";
import { nodeCommand } from "./node.ts";
import { pruneCommand } from "./prune.ts";
import { qualityCommand } from "./quality.ts";
import { rollbackCommand } from "./rollback.ts";
import { serveCommand } from "./serve.ts";
import { stakeCommand } from "./stake.ts";
import { validatorCommand } from "./validator.ts";
import { verifyDbCommand } from "./verify-db.ts";
import { watchCommand } from "./watch.ts";

export const COMMANDS: readonly Command[] = [
  devnetCommand,
  nodeCommand,
  validatorCommand,
  bridgeCommand,
  stakeCommand,
  deriveCommand,
  networkCommand,
  lineageCommand,
  exportCommand,
  importCommand,
  verifyDbCommand,
  rollbackCommand,
  pruneCommand,
  indexCommand,
  serveCommand,
  contentCommand,
  dataCommand,
  qualityCommand,
  hostCommand,
  watchCommand,
];
