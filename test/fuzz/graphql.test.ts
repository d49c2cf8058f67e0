import { parse, validate } from "graphql/index.js";
import { describe, expect, it } from "vitest";
import { schema } from "../../indexer/schema.ts";
import { FakeChain } from "../../indexer/testing/fake-chain.ts";
import { Random } from "../sim/random.ts";
import { fuzz } from "./graphql.ts";
import { vocabularyOf } from "./graphql-chain.ts";
import { QueryMaker } from "./graphql-queries.ts";

const makerOf = (seed: number) => new QueryMaker(schema, new Random(seed), vocabularyOf(new FakeChain(), 40));

describe("queries out of the schema", () => {
  it("the same seed gives the same queries", () => {
    const [first, second] = [makerOf(7), makerOf(7)].map((maker) => [
      ...Array.from({ length: 50 }, () => maker.valid()),
      ...Array.from({ length: 50 }, () => maker.broken()),
    ]);
    expect(first).toEqual(second);
  });

  it("what is to be valid is, and reaches every root field and most types; the broken are of both kinds", () => {
    const maker = makerOf(3);
    const texts = Array.from({ length: 1_500 }, () => maker.valid(0).query);
    for (const text of texts.slice(0, 200)) expect(validate(schema, parse(text)), text).toEqual([]);
    const all = texts.join("\n");
    for (const name of Object.keys(schema.getQueryType()?.getFields() ?? {}))
      expect(all).toMatch(new RegExp(`\\b${name}\\b`));
    for (let i = 0; i < 50; i++) expect(validate(schema, parse(maker.subscription().query))).toEqual([]);
    const isWhole = (text: string): boolean => {
      try {
        return validate(schema, parse(text)).length === 0;
      } catch {
        return false;
      }
    };
    const whole = Array.from({ length: 200 }, () => isWhole(maker.broken().query)).filter(Boolean).length;
    expect(whole).toBeLessThan(100);
  });

  it("150 of them: no 5xx, nothing masked, blocks keep their pace", { timeout: 120_000 }, async () => {
    const { lines, surprises } = await fuzz({ count: 150, seed: 5 });
    expect(surprises).toEqual([]);
    const missed = lines.filter(({ goal }) => goal?.isMet === false).map(({ name, value }) => `${name} ${value}`);
    expect(missed).toEqual([]);
  });
});
