import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isHostAllowed } from "./host-header.ts";

describe("isHostAllowed", () => {
  it.each([
    undefined,
    "",
    "localhost",
    "LocalHost:8545",
    "127.0.0.1:1",
    "10.1.2.3",
    "[::1]",
    "[::1]:8545",
    "node.example:80",
  ])("lets %j pass", (header) => expect(isHostAllowed(header, ["Node.example"])).toBe(true));

  it.each([
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "node.example.evil",
    "1.2.3.4.5",
    "[evil]",
    "localhost:99999999",
    "user@localhost",
    "localhost/x",
    "::1.evil",
  ])("refuses %j", (header) => expect(isHostAllowed(header, ["node.example"])).toBe(false));

  it("* lets all pass, and no text throws", () => {
    fc.assert(
      fc.property(fc.string(), (header) => {
        expect(isHostAllowed(header, ["*"])).toBe(true);
        isHostAllowed(header, []);
      }),
    );
  });
});
