import { expect, it } from "vitest";
import { killAndVerify } from "../chaos/kill.ts";

// The same run as `npm run chaos:node`, fewer kills.
it("survives SIGKILL at random moments under load", { timeout: 120_000 }, async () => {
  const { receipts } = await killAndVerify(3, 20_261_120);
  expect(receipts).toBeGreaterThan(0);
});
