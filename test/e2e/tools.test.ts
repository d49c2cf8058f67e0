/** viem, ethers and cast against a running node, as their users work with them. */
import { afterAll, beforeAll, describe } from "vitest";
import { findCast } from "../helpers/cast.ts";
import { castWorks } from "./tools/cast.ts";
import { ethersWorks } from "./tools/ethers.ts";
import { startToolNetwork, type ToolNetwork } from "./tools/network.ts";
import { transactionTypesWork } from "./tools/transaction-types.ts";
import { viemWorks } from "./tools/viem.ts";
import { watchingWorks } from "./tools/watching.ts";

let network: ToolNetwork;
const get = (): ToolNetwork => network;

beforeAll(async () => {
  network = await startToolNetwork();
});
afterAll(() => network?.stop());

describe("viem", () => {
  describe("contracts and state", () => viemWorks(get));
  describe("transaction types", () => transactionTypesWork(get));
  describe("watching", () => watchingWorks(get));
});
describe("ethers", () => ethersWorks(get));
// There are platforms for which npm has no cast; there it runs where somebody installed it.
const cast = findCast();
describe.runIf(cast !== undefined)("cast", () => castWorks(get, cast as string));
