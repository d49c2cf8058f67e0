/**
 * Quality reports over HTTP, for a server that mounts them (attribution/content-server.ts, `routes`).
 *
 *   GET /quality/:contributionId                              -> {datanetId, status, report}
 *   GET /quality?datanet=ID&status=pending|all&after=ID&limit=n   -> {datanetId, items: [{id, status, report}], next}
 *
 * One review runs at a time; reports are kept. Of permissioned Datanets nothing is shown: a report quotes a little of the content.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { Gate } from "../../core/gate.ts";
import type { ContentSource } from "../content-store.ts";
import { HttpError, sendJson } from "../http.ts";
import type { DatanetChain } from "./datanet-reader.ts";
import { type DatanetReview, DatanetReviews, type ReviewedContribution, ReviewLimitError } from "./datanet-review.ts";
import { QualityIndexError } from "./quality-index.ts";
import { ROUTE_LIMITS } from "./thresholds.ts";

export interface QualityRoutesOptions {
  readonly chain: DatanetChain;
  readonly content: ContentSource;
  readonly limits?: Partial<Record<keyof typeof ROUTE_LIMITS, number>>;
}

/** True when it answered. Throws HttpError. */
export type Routes = (request: IncomingMessage, response: ServerResponse, url: URL) => Promise<boolean>;

export function createQualityRoutes({ chain, content, limits }: QualityRoutesOptions): Routes {
  const bounds = { ...ROUTE_LIMITS, ...limits };
  const reviews = new DatanetReviews({ chain, content, limits: bounds });
  const gate = new Gate(1, bounds.waiting);

  async function review(datanetId: bigint): Promise<DatanetReview> {
    const done = await gate.run(async () => {
      try {
        return (await reviews.review(datanetId)) ?? "unknown";
      } catch (error) {
        const isTooLarge = error instanceof ReviewLimitError || error instanceof QualityIndexError;
        if (!isTooLarge) throw error;
        throw new HttpError(503, "too-large", `${error.message}; use openledger quality review`);
      }
    });
    if (done === undefined) throw new HttpError(503, "busy", "too many reviews are waited for; try again");
    if (done === "unknown") throw new HttpError(404, "unknown-datanet", `there is no Datanet ${datanetId}`);
    if (done.isPermissioned) {
      throw new HttpError(403, "permissioned", `Datanet ${datanetId} is permissioned; use openledger quality review`);
    }
    return done;
  }

  async function one(response: ServerResponse, text: string): Promise<void> {
    const id = idFrom("contribution", text);
    const datanetId = await chain.datanetOf(id);
    if (datanetId === undefined) throw new HttpError(404, "unknown-contribution", `there is no contribution ${id}`);
    const { contributions } = await review(datanetId);
    const found = contributions.find(({ submitted }) => submitted.id === id);
    if (found?.report === undefined) {
      throw new HttpError(
        404,
        "no-report",
        `contribution ${id} is neither pending nor accepted, or its report is gone`,
      );
    }
    sendJson(response, 200, { datanetId, status: found.submitted.status, report: found.report });
  }

  async function list(response: ServerResponse, query: URLSearchParams): Promise<void> {
    const datanetId = idFrom("datanet", query.get("datanet") ?? "");
    const after = query.has("after") ? idFrom("after", query.get("after") ?? "") : 0n;
    const status = query.get("status") ?? "pending";
    if (status !== "pending" && status !== "all") throw new HttpError(400, "bad-status", "status is pending or all");
    const limit = Number(idFrom("limit", query.get("limit") ?? String(bounds.page)));
    if (limit > bounds.page) throw new HttpError(400, "bad-limit", `limit ${limit} is not 1 to ${bounds.page}`);
    const { contributions } = await review(datanetId);
    const isWanted = ({ submitted, report }: ReviewedContribution) =>
      submitted.id > after && report !== undefined && (status === "all" || submitted.status === "pending");
    const wanted = contributions.filter(isWanted);
    const items = wanted.slice(0, limit).map(({ submitted, report }) => ({
      id: submitted.id,
      status: submitted.status,
      report,
    }));
    sendJson(response, 200, { datanetId, items, next: wanted.length > limit ? items.at(-1)?.id : null });
  }

  return async (request, response, url) => {
    const [, first, id, ...more] = url.pathname.split("/");
    if (first !== "quality" || more.length > 0) return false;
    if (request.method !== "GET" && request.method !== "HEAD") {
      throw new HttpError(405, "method-not-allowed", `${request.method} is not answered at ${url.pathname}`);
    }
    if (id === undefined) await list(response, url.searchParams);
    else await one(response, id);
    return true;
  };
}

function idFrom(name: string, text: string): bigint {
  if (!/^[1-9]\d{0,18}$/.test(text)) {
    throw new HttpError(
      400,
      `bad-${name}`,
      `${name} must be a number from 1, not ${JSON.stringify(text.slice(0, 40))}`,
    );
  }
  return BigInt(text);
}
