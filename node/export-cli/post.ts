/** Sends OpenLineage events to a collector such as Marquez, one after the other and each until it is taken. */
import { setTimeout as sleep } from "node:timers/promises";
import { OperationError } from "../errors.ts";

const ATTEMPTS = 5;
const FIRST_WAIT_MS = 500;
const MAX_WAIT_MS = 60_000;
const TIMEOUT_MS = 30_000;
/** Statuses that say "later", beside those of a failing server. */
const LATER: readonly number[] = [408, 425, 429];

export interface PostOptions {
  readonly url: string;
  /** Bearer token. */
  readonly token?: string | undefined;
  /** Pause before the second attempt; it doubles with each. */
  readonly firstWaitMs?: number;
}

/**
 * Rejects with OperationError for the first event that is not taken. Sending all again is safe: an event's run has the
 * same id each time.
 */
export async function postEvents(events: readonly object[], options: PostOptions): Promise<void> {
  for (const [i, event] of events.entries()) {
    const reason = await post(event, options);
    if (reason === undefined) continue;
    // The rest of an address may be a secret.
    const where = new URL(options.url).host;
    throw new OperationError(
      `${where} has not taken event ${i + 1} of ${events.length}: ${reason}; see --url. Sending all again is safe`,
    );
  }
}

/** Undefined when it was taken, otherwise why not. */
async function post(
  event: object,
  { url, token, firstWaitMs = FIRST_WAIT_MS }: PostOptions,
): Promise<string | undefined> {
  for (let attempt = 1; ; attempt++) {
    let reason: string;
    let waitMs = firstWaitMs * 2 ** (attempt - 1);
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify(event),
        redirect: "error",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const text = await response.text();
      if (response.ok) return undefined;
      reason = `${response.status} ${text.slice(0, 200).replaceAll(/\s+/g, " ").trim()}`.trim();
      if (response.status < 500 && !LATER.includes(response.status)) return reason;
      waitMs = Math.max(waitMs, Number(response.headers.get("retry-after")) * 1_000 || 0);
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      reason = cause instanceof Error ? cause.message : String(cause);
    }
    if (attempt === ATTEMPTS) return `${reason} (${ATTEMPTS} attempts)`;
    await sleep(Math.min(waitMs, MAX_WAIT_MS));
  }
}
