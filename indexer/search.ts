/**
 * Full-text search that both stores answer alike: names, domains and URIs are cut into words, and the words are rows.
 * A word is a run of letters, marks and digits of any script, compatibility-composed (NFKC) and in lower case.
 */
import { type SqlBool, sql } from "kysely";
import { asOf } from "./as-of.ts";
import { type Change, insert } from "./changes.ts";
import type { NodeKind } from "./codes.ts";
import type { NodeName } from "./lineage.ts";
import type { Reader } from "./loaders.ts";

/** What is longer is found by its beginning. */
const MAX_WORD_LENGTH = 64;
/** Of one thing: strings on chain are anyone's, and may be long. */
const MAX_WORDS = 64;

/** Distinct words in their order, at most MAX_WORDS. */
export function wordsOf(...texts: readonly string[]): string[] {
  const words = new Set<string>();
  for (const text of texts) {
    for (const [word] of text
      .normalize("NFKC")
      .toLowerCase()
      .matchAll(/[\p{L}\p{M}\p{N}]+/gu)) {
      if (words.size >= MAX_WORDS) return [...words];
      words.add(word.slice(0, MAX_WORD_LENGTH));
    }
  }
  return [...words];
}

/** Makes a thing findable by the words of its texts. */
export function searchable(block: number, kind: NodeKind, id: number, ...texts: readonly string[]): Change[] {
  return wordsOf(...texts).map((word) => insert("search_words", { block, word, kind, id }));
}

/** Words of a search. */
const MAX_TERMS = 8;
/** Rows of the rarest word that a search looks at. */
const MAX_SCANNED = 10_000;

export interface Found {
  readonly things: readonly NodeName[];
  /** Whether there is more than `first`, or more than was looked at. */
  readonly truncated: boolean;
}

/**
 * The things that have all words of `text`, the last of which may be the beginning of one. In the order of the word that
 * was searched by, then of kind and id: always the same.
 */
export async function search(
  reader: Reader,
  text: string,
  kinds: readonly number[] | undefined,
  first: number,
): Promise<Found> {
  const terms = wordsOf(text).slice(0, MAX_TERMS);
  const prefix = terms.pop();
  if (prefix === undefined || kinds?.length === 0) return { things: [], truncated: false };
  // No word has U+10FFFF, so everything that begins with the prefix is below this.
  const range = sql<SqlBool>`${sql.ref("own.word")} >= ${prefix} and ${sql.ref("own.word")} < ${`${prefix}\u{10ffff}`}`;
  const all = () => asOf(reader.db.selectFrom("search_words as own"), "search_words", reader.at, "own");
  const isTerm = (word: string) => sql<SqlBool>`${sql.ref("own.word")} = ${word}`;
  const conditions = [...terms.map(isTerm), range];
  const counts: number[] = [];
  for (const condition of conditions) {
    await reader.turn();
    const some = all().where(condition).select("own.id").limit(MAX_SCANNED);
    const row = await reader.db
      .selectFrom(some.as("some"))
      .select(sql<number>`count(*)`.as("count"))
      .executeTakeFirstOrThrow();
    counts.push(Number(row.count));
  }
  const least = Math.min(...counts);
  const rarest = conditions[counts.indexOf(least)] as (typeof conditions)[number];
  const place = ["own.word", "own.kind", "own.id"] as const;
  const scanned = all().where(rarest).select(place).orderBy("own.word").orderBy("own.kind").orderBy("own.id");
  let query = reader.db.selectFrom(scanned.limit(MAX_SCANNED).as("found")).select(["found.kind", "found.id"]);
  if (kinds !== undefined) query = query.where("found.kind", "in", kinds);
  for (const condition of conditions) {
    if (condition === rarest) continue;
    const other = all()
      .where(condition)
      .where(sql<SqlBool>`${sql.ref("own.kind")} = ${sql.ref("found.kind")}`)
      .where(sql<SqlBool>`${sql.ref("own.id")} = ${sql.ref("found.id")}`)
      .select("own.id");
    query = query.where(sql<SqlBool>`exists ${other}`);
  }
  await reader.turn();
  // A thing stands here once for each of its words that begin with the prefix.
  const matches = query.groupBy(["found.kind", "found.id"]).orderBy(sql`min(${sql.ref("found.word")})`);
  const rows = await matches
    .orderBy("found.kind")
    .orderBy("found.id")
    .limit(first + 1)
    .execute();
  const things = rows.slice(0, first).map(({ kind, id }) => ({ kind: kind as NodeKind, id }));
  return { things, truncated: rows.length > first || least >= MAX_SCANNED };
}
