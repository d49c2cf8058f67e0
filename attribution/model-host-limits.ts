/** Bounds of a model host. */
export interface ModelHostLimits {
  readonly maxPromptBytes: number;
  /** Of one answer: words of the infinity-gram model. */
  readonly maxTokens: number;
  /** What fits the calldata of a public audience. */
  readonly maxOutputBytes: number;
  /** Of one model's live contributions. */
  readonly maxCorpusBytes: number;
  /** Corpora that stay open though nobody uses them. */
  readonly maxOpenCorpora: number;
  readonly maxWaiting: number;
  /** No answer when less than this is left to commit it. */
  readonly deadlineMarginSeconds: bigint;
  /** Passages that are put before an engine that reads them; 0: no retrieval. */
  readonly passages: number;
}

export const MODEL_HOST_LIMITS: ModelHostLimits = {
  maxPromptBytes: 48 * 1024,
  maxTokens: 2_000,
  maxOutputBytes: 16 * 1024,
  maxCorpusBytes: 4 * 1024 ** 3,
  maxOpenCorpora: 4,
  maxWaiting: 32,
  deadlineMarginSeconds: 2n,
  passages: 0,
};
