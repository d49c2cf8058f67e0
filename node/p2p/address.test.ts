import { multiaddr } from "@multiformats/multiaddr";
import { describe, expect, it } from "vitest";
import { mayTeach, parsePeerAddress, parsePeerId, reachOf, withPeerId } from "./address.ts";

const ID = "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X";

describe("addresses", () => {
  it.each([
    ["/ip4/127.0.0.1/tcp/9222", "loopback"],
    ["/ip6/::1/tcp/9222", "loopback"],
    ["/ip6/::ffff:127.0.0.1/tcp/9222", "loopback"],
    ["/ip4/10.1.2.3/tcp/9222", "private"],
    ["/ip4/192.168.0.9/tcp/9222", "private"],
    ["/ip4/169.254.169.254/tcp/80", "private"],
    ["/ip6/fd00::1/tcp/9222", "private"],
    ["/dns4/validator-1/tcp/9222", "private"],
    ["/ip4/203.0.113.5/tcp/9222", "public"],
    ["/ip6/2001:db8::1/tcp/9222", "public"],
    [`/ip4/203.0.113.5/tcp/9222/p2p/${ID}`, "public"],
    ["/ip4/0.0.0.0/tcp/9222", undefined],
    ["/ip4/224.0.0.1/tcp/9222", undefined],
    ["/ip6/::/tcp/9222", undefined],
    ["/ip4/203.0.113.5/tcp/0", undefined],
    ["/ip4/203.0.113.5/udp/9222/quic-v1", undefined],
    ["/ip4/203.0.113.5/tcp/9222/ws", undefined],
    [`/ip4/203.0.113.5/tcp/9222/p2p/${ID}/p2p-circuit`, undefined],
    ["/dnsaddr/example.org", undefined],
  ])("reach of %s: %s", (address, reach) => {
    expect(reachOf(multiaddr(address))).toBe(reach);
  });

  it("nobody teaches an address that is nearer than itself", () => {
    const [near, home, far] = ["/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip4/203.0.113.5/tcp/1"].map((text) =>
      multiaddr(text),
    ) as [ReturnType<typeof multiaddr>, ReturnType<typeof multiaddr>, ReturnType<typeof multiaddr>];
    const taught = [near, home, far].map((teacher) => [near, home, far].map((address) => mayTeach(teacher, address)));
    expect(taught).toEqual([
      [true, true, true],
      [false, true, true],
      [false, false, true],
    ]);
  });

  it("a peer's address needs its id", () => {
    expect(parsePeerAddress(`/ip4/127.0.0.1/tcp/9222/p2p/${ID}`)).toEqual({
      id: ID,
      address: `/ip4/127.0.0.1/tcp/9222/p2p/${ID}`,
    });
    for (const wrong of ["", "x", "/ip4/127.0.0.1/tcp/9222", `/ip4/0.0.0.0/tcp/9222/p2p/${ID}`, `/p2p/${ID}`]) {
      expect(() => parsePeerAddress(wrong)).toThrow(RangeError);
    }
    expect(() => parsePeerAddress("/ip4/127.0.0.1/tcp/9222")).toThrow('"/ip4/127.0.0.1/tcp/9222" is no peer address');
  });

  it("ids and addresses are put together", () => {
    expect(parsePeerId(ID)).toBe(ID);
    expect(() => parsePeerId("nobody")).toThrow(RangeError);
    expect(withPeerId(multiaddr(`/ip4/10.0.0.1/tcp/1/p2p/${ID}`), ID)).toBe(`/ip4/10.0.0.1/tcp/1/p2p/${ID}`);
    expect(withPeerId(multiaddr("/ip4/0.0.0.0/tcp/1"), ID)).toBeUndefined();
  });
});
