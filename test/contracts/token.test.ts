import { parseEther, parseSignature } from "viem";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ANVIL_ACCOUNTS } from "../helpers/anvil.ts";
import { HOLDER, PortalWorld, STRANGER, SUPPLY } from "../helpers/portal-world.ts";

let world: PortalWorld;
beforeAll(async () => {
  world = await PortalWorld.start();
}, 60_000);
afterAll(() => world?.anvil.stop());

describe("OPEN on L1", () => {
  it("is 1,000,000,000 with 18 decimals, all of it the holder's at first", async () => {
    const { token } = world;
    expect(await world.read(token, "totalSupply")).toBe(parseEther("1000000000"));
    expect(await world.balanceOf(HOLDER)).toBe(parseEther("1000000000") - SUPPLY);
    expect([await world.read(token, "symbol"), await world.read(token, "decimals")]).toEqual(["OPEN", 18]);
    expect(token.abi.filter((item) => item.type === "function" && /mint|burn|owner/i.test(item.name))).toEqual([]);
  });

  it("takes approvals by signature, once", async () => {
    const { token, client, ours } = world;
    const message = { owner: HOLDER, spender: ours.address, value: 77n, nonce: 0n, deadline: 2n ** 40n };
    const signature = await ANVIL_ACCOUNTS[0]!.signTypedData({
      domain: { name: "OpenLedger", version: "1", chainId: client.chain.id, verifyingContract: token.address },
      types: {
        Permit: [
          { name: "owner", type: "address" },
          { name: "spender", type: "address" },
          { name: "value", type: "uint256" },
          { name: "nonce", type: "uint256" },
          { name: "deadline", type: "uint256" },
        ],
      },
      primaryType: "Permit",
      message,
    });
    const { r, s, yParity } = parseSignature(signature);
    const args = [HOLDER, ours.address, 77n, 2n ** 40n, yParity + 27, r, s];
    await world.must(token, "permit", args, { from: STRANGER });
    expect(await world.read(token, "allowance", [HOLDER, ours.address])).toBe(77n);
    expect(await world.refusal(token, "permit", args, { from: STRANGER })).toBe("ERC2612InvalidSigner");
  });
});
