/** Conditions and ranges of HTTP (RFC 9110 sections 13 and 14) for contents, whose root is their strong entity tag. Pure. */

/** Bytes [start, end). */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export type Selected =
  | { readonly type: "whole" }
  | ({ readonly type: "part" } & ByteRange)
  /** 416: no byte of the content is in it. */
  | { readonly type: "unsatisfiable" };

/**
 * What a GET with these headers selects of a content of `size` bytes. A range in another unit, of several parts or that
 * is none is ignored, as RFC 9110 allows; so is any when If-Range does not name `etag`.
 */
export function selectRange(
  range: string | undefined,
  ifRange: string | undefined,
  size: number,
  etag: string,
): Selected {
  const match = /^bytes\s*=\s*(\d*)-(\d*)\s*$/i.exec(range ?? "");
  // A weak tag or a date never matches: the content has neither.
  if (match === null || (ifRange !== undefined && ifRange.trim() !== etag)) return { type: "whole" };
  const [, first = "", last = ""] = match;
  if (first === "") {
    if (last === "") return { type: "whole" };
    const suffix = position(last);
    return suffix === 0 ? { type: "unsatisfiable" } : { type: "part", start: Math.max(0, size - suffix), end: size };
  }
  const [start, end] = [position(first), last === "" ? size : Math.min(size, position(last) + 1)];
  if (last !== "" && position(last) < start) return { type: "whole" };
  return start >= size ? { type: "unsatisfiable" } : { type: "part", start, end };
}

/** Digits without end are a position beyond any content. */
const position = (digits: string): number => Math.min(Number(digits), Number.MAX_SAFE_INTEGER - 1);

/** Whether If-Match or If-None-Match names `etag`. Weak tags match in the latter only. */
export function namesTag(header: string, etag: string, isWeak: boolean): boolean {
  if (header.trim() === "*") return true;
  return header.split(",").some((tag) => {
    const trimmed = tag.trim();
    return trimmed === etag || (isWeak && trimmed === `W/${etag}`);
  });
}
