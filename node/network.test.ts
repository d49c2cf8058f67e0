import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineChain } from "viem";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DataError, OperationError } from "./errors.ts";
import { describeNetwork, NETWORK_FILE, readNetworkFile, writeNetworkFile } from "./network.ts";

let datadir: string;
beforeEach(() => {
  datadir = mkdtempSync(join(tmpdir(), "openledger-network-"));
});
afterEach(() => rmSync(datadir, { recursive: true }));

const describeAt = (rpc: string) =>
  describeNetwork("devnet", 161299n, new Uint8Array(32).fill(0xab), {
    rpc,
    graphql: "http://127.0.0.1:4000/graphql",
    content: undefined,
    host: undefined,
    metrics: "http://127.0.0.1:6060",
  });

test("is what viem's defineChain takes, and comes back as written", () => {
  const description = describeAt("http://127.0.0.1:8545");
  writeNetworkFile(datadir, description);
  const read = readNetworkFile(datadir);
  expect(read).toEqual(JSON.parse(JSON.stringify(description)));
  const chain = defineChain(read);
  expect(chain.id).toBe(161299);
  expect(chain.rpcUrls.default.webSocket).toEqual(["ws://127.0.0.1:8545"]);
  expect(chain.contracts.datanet.address).toBe("0x0000000000000000000000000000000000000901");
  expect(read.openledger.genesisHash).toBe(`0x${"ab".repeat(32)}`);
});

test("replaces the file as a whole and leaves nothing beside it", () => {
  writeFileSync(join(datadir, NETWORK_FILE), "x".repeat(100_000));
  writeFileSync(join(datadir, `${NETWORK_FILE}.tmp`), "left by a crash");
  writeNetworkFile(datadir, describeAt("https://rpc.example"));
  expect(readNetworkFile(datadir).rpcUrls.default.webSocket).toEqual(["wss://rpc.example"]);
  expect(readdirSync(datadir)).toEqual([NETWORK_FILE]);
});

test("a write that fails leaves the old file", () => {
  writeNetworkFile(datadir, describeAt("http://127.0.0.1:1"));
  const before = readFileSync(join(datadir, NETWORK_FILE), "utf8");
  mkdirSync(join(datadir, `${NETWORK_FILE}.tmp`));
  const write = () => writeNetworkFile(datadir, describeAt("http://127.0.0.1:2"));
  expect(write).toThrow(OperationError);
  expect(write).toThrow("network.json cannot be written: EISDIR");
  expect(readFileSync(join(datadir, NETWORK_FILE), "utf8")).toBe(before);
});

test("a missing or damaged file is one line that says what to do", () => {
  expect(() => readNetworkFile(datadir)).toThrow(DataError);
  writeFileSync(join(datadir, NETWORK_FILE), "{");
  expect(() => readNetworkFile(datadir)).toThrow("cannot be read; start the node once, or name its --datadir");
});
