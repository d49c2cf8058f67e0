/** Former names of attribution/span-index.ts, for callers that have not moved yet. */
export {
  buildSpanIndex as buildCorpusIndex,
  type CorpusDocument,
  type SpanIndex as CorpusIndex,
} from "./span-index.ts";
