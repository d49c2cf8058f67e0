/** Clients of subscriptions, over both transports: what they got, and a way to wait for more. */
import { type Client, createClient } from "graphql-ws";
import { WebSocket } from "ws";

export type Event = {
  // biome-ignore lint/suspicious/noExplicitAny: events have the shape of the selection, which the assertions check.
  data?: any;
  errors?: { message: string; extensions?: { code?: string } }[];
  extensions?: { block?: number };
};

export interface Subscriber {
  readonly events: readonly Event[];
  /** Resolves when there are at least `count` events; rejects when the subscription ends before. */
  until(count: number): Promise<void>;
  /** Resolves when the server has ended it. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/** Over SSE it resolves when the server has accepted the subscription; over WebSocket the protocol says nothing of that. */
export type Subscribe = (url: string, query: string, extensions?: Record<string, unknown>) => Promise<Subscriber>;

class Events {
  readonly events: Event[] = [];
  readonly ended: Promise<void>;
  #hasEnded = false;
  #settleEnd: () => void = () => {};
  #waiting: (() => void)[] = [];

  constructor() {
    this.ended = new Promise((resolve) => {
      this.#settleEnd = resolve;
    });
  }

  add(event: Event): void {
    this.events.push(event);
    this.#notify();
  }

  end(): void {
    this.#hasEnded = true;
    this.#settleEnd();
    this.#notify();
  }

  async until(count: number): Promise<void> {
    while (this.events.length < count) {
      if (this.#hasEnded) throw new Error(`the subscription ended after ${this.events.length} of ${count} events`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #notify(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

export const overSse: Subscribe = async (url, query, extensions) => {
  const events = new Events();
  const aborting = new AbortController();
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/event-stream" },
    body: JSON.stringify({ query, extensions }),
    signal: aborting.signal,
  });
  const read = async (): Promise<void> => {
    let text = "";
    for await (const part of response.body ?? []) {
      text += Buffer.from(part).toString("utf8");
      const blocks = text.split("\n\n");
      text = blocks.pop() ?? "";
      for (const block of blocks) {
        const [, data] = /^event: next\ndata: (.*)$/m.exec(block) ?? [];
        if (data !== undefined) events.add(JSON.parse(data) as Event);
        if (block.includes("event: complete")) events.end();
      }
    }
  };
  void read().catch(() => events.end());
  const stop = async () => aborting.abort();
  return { events: events.events, until: (count) => events.until(count), ended: events.ended, stop };
};

export const overWebSocket: Subscribe = async (url, query, extensions) => {
  const events = new Events();
  const client: Client = createClient({ url: url.replace("http", "ws"), webSocketImpl: WebSocket, retryAttempts: 0 });
  const stop = client.subscribe(
    { query, ...(extensions && { extensions }) },
    {
      next: (event) => events.add(event as Event),
      error: (problems) => {
        if (Array.isArray(problems)) events.add({ errors: problems as Event["errors"] & object });
        events.end();
      },
      complete: () => events.end(),
    },
  );
  return {
    events: events.events,
    until: (count) => events.until(count),
    ended: events.ended,
    async stop() {
      stop();
      await client.dispose();
    },
  };
};
