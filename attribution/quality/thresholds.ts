/**
 * Every number that the quality gate decides by, in one place: docs/quality.md explains them. Shares are 0 to 1. Changing what a sketch is
 * made of (SKETCH) changes the index: raise INDEX_VERSION with it.
 */

/** What near-duplicates are found by. */
export const SKETCH = {
  /** Words of a shingle. */
  shingleWords: 5,
  /** Bins of a signature: bands × rows. */
  bins: 255,
  bands: 51,
  rows: 5,
  /** Of so many shingles in a row at least one is kept: a run of shingleWords + window − 1 words is always seen. */
  window: 8,
} as const;

export const INDEX_VERSION = 1;

export const INDEX_LIMITS = {
  contributions: 1_000_000,
  /** Entries of the coverage table: some 0.7 bytes of memory a byte of text, at most 600 MB. */
  fingerprints: 32_000_000,
  /** Signatures that one query is compared with. */
  candidates: 1_024,
} as const;

export const DUPLICATE = {
  /** Estimated Jaccard similarity from which a contribution counts as a duplicate. */
  jaccard: 0.8,
  /** From which it is listed as similar. */
  similar: 0.5,
  /** Share of words that one earlier contribution holds, from which it counts as a piece of that one. */
  oneSource: 0.8,
  /** Share of words that earlier contributions hold together, from which it counts as assembled of them. */
  covered: 0.8,
  /** Share that is worth a note. */
  coveredNote: 0.3,
  /** Below so many words similarity says little. */
  minWords: 20,
} as const;

/** Contributions that hold a passage before it counts as everybody's (a licence, a header). */
export const COMMON_HOLDERS = 4;

/** Items that a report lists of each sort; counts are exact. */
export const LISTED = { similar: 10, sources: 5, personalData: 20, licences: 20 } as const;

export const PERSONAL_DATA = {
  /** Of these kinds one is enough to suggest rejection. */
  grave: ["private-key", "api-token", "payment-card", "iban"],
  /** Of the others: so many, and so many a thousand words. Fewer are a note. */
  count: 5,
  perThousandWords: 5,
} as const;

interface Limit {
  /** Beyond it is a note; two notes of this sort suggest rejection. */
  readonly soft: number;
  /** Beyond it suggests rejection alone. */
  readonly hard: number;
  /** Which side is beyond. */
  readonly side: "above" | "below";
  /** Bytes from which the measure says something. */
  readonly fromBytes: number;
}

/** By measure of spam.ts. */
export const SPAM = {
  words: { soft: 20, hard: 1, side: "below", fromBytes: 0 },
  invalidUtf8: { soft: 0.001, hard: 0.05, side: "above", fromBytes: 0 },
  controlBytes: { soft: 0.001, hard: 0.05, side: "above", fromBytes: 0 },
  compressedRatio: { soft: 0.15, hard: 0.05, side: "below", fromBytes: 2_000 },
  incompressible: { soft: 0.985, hard: 2, side: "above", fromBytes: 4_000 },
  repeatedShingles: { soft: 0.5, hard: 0.8, side: "above", fromBytes: 500 },
  repeatedLines: { soft: 0.4, hard: 0.75, side: "above", fromBytes: 500 },
  distinctWords: { soft: 0.08, hard: 0.03, side: "below", fromBytes: 2_000 },
  topWord: { soft: 0.25, hard: 0.5, side: "above", fromBytes: 500 },
  symbolsPerWord: { soft: 4, hard: 12, side: "above", fromBytes: 200 },
  meanWordBytes: { soft: 16, hard: 60, side: "above", fromBytes: 200 },
  longestWordBytes: { soft: 2_000, hard: 100_000, side: "above", fromBytes: 0 },
} as const satisfies Record<string, Limit>;

/** What a review of a Datanet holds and does at most. */
export const REVIEW_LIMITS = {
  /** Bytes of a content that is read; its examination takes some 5 times as much memory, and a second for each 30 MB. */
  contentBytes: 16 * 1024 ** 2,
  /** Bytes of all contents of a Datanet. */
  datanetBytes: 1024 ** 3,
  contributions: 100_000,
  /** Datanets whose index stays in memory. */
  datanets: 4,
  /** Reports kept of a Datanet, the latest ones. */
  reports: 10_000,
} as const;

/** The HTTP routes share their process with others. */
export const ROUTE_LIMITS = {
  ...REVIEW_LIMITS,
  contentBytes: 4 * 1024 ** 2,
  datanetBytes: 256 * 1024 ** 2,
  /** Reports in one answer of the list. */
  page: 100,
  /** Requests that wait for the one that works. */
  waiting: 16,
} as const;
