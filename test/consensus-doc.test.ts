/** docs/consensus.md: its limits are the code's, and the code cites rules that are there. */
import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { MAX_CERTIFICATE_BYTES, MAX_PROPOSAL_BYTES, SUBJECT_BYTES, VOTE_BYTES } from "../consensus/codec.ts";
import { patience } from "../consensus/timing.ts";
import { MAX_PROPOSAL_CERTIFICATES, MAX_VALIDATORS, VIEWS_PER_EPOCH } from "../consensus/types.ts";
import { VALIDATOR_BYTES } from "../consensus/validators.ts";
import { FUTURE_VIEWS, PAST_VIEWS, UNDECIDED_VIEWS } from "../consensus/views.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const document = readFileSync(`${root}/docs/consensus.md`, "utf8");

describe("docs/consensus.md", () => {
  it.each<[string, number | string]>([
    ["validators in a set", MAX_VALIDATORS],
    ["views in an epoch", `2^${Math.log2(VIEWS_PER_EPOCH)} − 1`],
    ["epochs", `2^${Math.log2((Number.MAX_SAFE_INTEGER + 1) / VIEWS_PER_EPOCH)},`],
    ["vote", `${VOTE_BYTES} bytes`],
    ["certificate", `${MAX_CERTIFICATE_BYTES} bytes`],
    ["proposal without its block", `${MAX_PROPOSAL_BYTES.toLocaleString("en")} bytes`],
    ["certificates in a proposal", MAX_PROPOSAL_CERTIFICATES],
    ["views ahead whose votes and proposals are kept", FUTURE_VIEWS],
    ["final views whose votes are still compared", PAST_VIEWS],
    ["undecided views whose votes are kept", `${UNDECIDED_VIEWS};`],
    ["growth of timers", `${patience(1e9, 1)} times`],
  ])("%s: %s", (what, limit) => {
    expect(document).toMatch(new RegExp(`^\\| ${what} \\| ${String(limit).replace("^", "\\^")}`, "m"));
  });

  it("lays out what the codec writes", () => {
    expect(document).toMatch(new RegExp(`^subject .* ${SUBJECT_BYTES} bytes$`, "m"));
    expect(document).toMatch(new RegExp(`^vote .* ${VOTE_BYTES} bytes$`, "m"));
    expect(document).toContain(`(96): ${VALIDATOR_BYTES} bytes`);
  });

  it("has each rule that the code cites", () => {
    const rules = [...document.matchAll(/^(\d)\. \*\*/gm)].map((match) => Number(match[1]));
    expect(rules).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const cited = new Set<number>();
    for (const file of globSync("consensus/*.ts", { cwd: root })) {
      const text = readFileSync(`${root}/${file}`, "utf8");
      for (const [, list] of text.matchAll(/\b[Rr]ules? ((?:\d+(?:, | and )?)+)/g)) {
        for (const number of list!.match(/\d+/g)!) cited.add(Number(number));
      }
    }
    expect(cited.size).toBeGreaterThan(5);
    for (const number of cited) expect(rules).toContain(number);
  });
});
