import { expect, test } from "vitest";
import type { Peer } from "../../p2p/types.ts";
import { setup } from "../testing/setup.ts";
import { admin } from "./admin.ts";

const PEER: Peer = { id: "12D3Peer", address: "/ip4/10.0.0.2/tcp/9222", direction: "inbound", score: -1 };
const LISTENS = "/ip4/127.0.0.1/tcp/9222/p2p/12D3Own";
const network = { id: "12D3Own", addresses: [LISTENS], peers: [PEER] };

test("tells of the node and its peers", async () => {
  const { ask, chain } = setup({ methods: admin({ network: () => network, datadir: "/data" }) });
  chain.mine([]);
  expect(await ask("admin_nodeInfo")).toEqual({
    id: "12D3Own",
    name: "openledger/test",
    listenAddr: LISTENS,
    addresses: [LISTENS],
    protocols: {
      openledger: {
        network: 161_299,
        genesis: expect.stringMatching(/^0x[0-9a-f]{64}$/),
        head: expect.stringMatching(/^0x[0-9a-f]{64}$/),
        number: "0x1",
      },
    },
  });
  expect(await ask("admin_peers")).toEqual([
    {
      id: "12D3Peer",
      network: { remoteAddress: PEER.address, inbound: true },
      protocols: { openledger: { score: -1 } },
    },
  ]);
  expect(await ask("admin_datadir")).toBe("/data");
  const alone = setup({ methods: admin({ network: () => undefined, datadir: "/data" }) });
  expect(await alone.ask("admin_peers")).toEqual([]);
  expect(await alone.ask("admin_nodeInfo")).toMatchObject({ id: null, addresses: [] });
});

test("is not there where it is not named", async () => {
  const { ask, fail } = setup({
    methods: admin({ network: () => network, datadir: "/data" }),
    namespaces: ["eth", "rpc"],
  });
  expect(await fail("admin_datadir")).toEqual({
    code: -32601,
    message: "the method admin_datadir does not exist/is not available",
  });
  expect(await ask("rpc_modules")).toEqual({ eth: "1.0", rpc: "1.0" });
});
