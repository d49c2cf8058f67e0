import type { Connection } from "@libp2p/interface";
import { peerIdFromString } from "@libp2p/peer-id";
import { multiaddr } from "@multiformats/multiaddr";
import { describe, expect, it } from "vitest";
import { FakeClock } from "../testing/world.ts";
import { createIdentity } from "./identity.ts";
import { dialAddresses, PeerTable } from "./peer-table.ts";

/** Two nodes, the one with the smaller id first, and what each sees of a connection between them. */
async function pair() {
  const clock = new FakeClock();
  const [small, large] = [(await createIdentity()).peerId, (await createIdentity()).peerId].sort() as [string, string];
  const tables = { small: new PeerTable(small, clock), large: new PeerTable(large, clock) };
  let count = 0;
  const dial = (dialler: "small" | "large") => {
    const id = `${count++}`;
    const side = (own: "small" | "large") =>
      ({
        id,
        status: "open",
        direction: own === dialler ? "outbound" : "inbound",
        remotePeer: peerIdFromString(own === "small" ? large : small),
        remoteAddr: multiaddr("/ip4/127.0.0.1/tcp/1"),
      }) as Connection;
    return { small: side("small"), large: side("large") };
  };
  return { clock, small, large, tables, dial };
}

describe("peer table", () => {
  it("of two connections that cross, both sides keep the same one, in whatever order they see them", async () => {
    for (const order of ["same", "crossed"]) {
      const { tables, dial, small, large } = await pair();
      const [bySmall, byLarge] = [dial("small"), dial("large")];
      tables.small.opened(bySmall.small);
      const closedBySmall = tables.small.opened(byLarge.small);
      const [first, second] = order === "same" ? [bySmall, byLarge] : [byLarge, bySmall];
      tables.large.opened(first.large);
      const closedByLarge = tables.large.opened(second.large);
      expect([closedBySmall?.id, closedByLarge?.id]).toEqual([byLarge.small.id, byLarge.large.id]);
      expect(tables.small.get(large)!.connection.id).toBe(tables.large.get(small)!.connection.id);
    }
  });

  it("a peer that dials again has lost the old connection", async () => {
    const { tables, dial, clock, large } = await pair();
    const [old, young] = [dial("large"), dial("large")];
    tables.small.opened(old.small);
    expect(tables.small.opened(young.small)).toBe(old.small);
    // And so has one that dials when the other one was long there.
    clock.setMs(clock.nowMs() + 10_000);
    const other = dial("large");
    expect(tables.small.opened(other.small)).toBe(young.small);
    expect(tables.small.get(large)!.connection).toBe(other.small);
  });

  it("a peer is gone with the connection that is kept, and no other", async () => {
    const { tables, dial, large } = await pair();
    const [kept, surplus] = [dial("small"), dial("large")];
    tables.small.opened(kept.small);
    tables.small.opened(surplus.small);
    expect(tables.small.closed(surplus.small)).toBe(false);
    expect([tables.small.size, tables.small.count("outbound"), tables.small.count("inbound")]).toEqual([1, 1, 0]);
    expect(tables.small.closed(kept.small)).toBe(true);
    expect(tables.small.has(large)).toBe(false);
  });

  it("a peer is dialled where it was dialled before, and where it says it listens", async () => {
    const { tables, dial, large, small } = await pair();
    const connection = dial("small");
    tables.small.opened(connection.small);
    tables.large.opened(connection.large);
    const addresses = ["/ip4/10.0.0.1/tcp/2"];
    expect(dialAddresses({ ...tables.small.get(large)!, addresses })).toEqual(["/ip4/127.0.0.1/tcp/1", ...addresses]);
    expect(dialAddresses({ ...tables.large.get(small)!, addresses })).toEqual(addresses);
  });
});
