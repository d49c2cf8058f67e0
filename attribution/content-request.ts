/**
 * A request for a content that is not for everybody, signed by the account that asks (EIP-712):
 *
 *   domain          name "OpenLedger Content", version "1", chainId
 *   ContentRequest  (string host,string method,string path,string range,uint64 expires,bytes32 nonce)
 *   Authorization   OpenLedger expires=<Unix seconds>, nonce=0x<64 hex>, signature=0x<130 hex>
 *
 * `host` and `range` are the headers of the request ("" without a range), `path` has the query. A request is good once,
 * and for 5 minutes at most.
 */
import { hashTypedData } from "viem";
import { bytesToHex, type Hex, hexToBytes } from "../core/bytes.ts";
import { recoverAddress } from "../core/crypto.ts";

const MAX_LIFETIME_SECONDS = 300;
/** Nonces kept until they expire. */
const MAX_NONCES = 65_536;

export interface ContentRequest {
  readonly host: string;
  readonly method: string;
  readonly path: string;
  readonly range: string;
  /** Unix seconds. */
  readonly expires: bigint;
  readonly nonce: Hex;
}

const TYPES = {
  ContentRequest: [
    { name: "host", type: "string" },
    { name: "method", type: "string" },
    { name: "path", type: "string" },
    { name: "range", type: "string" },
    { name: "expires", type: "uint64" },
    { name: "nonce", type: "bytes32" },
  ],
} as const;

/** What is signed: for viem's `signTypedData` and for the digest. */
export const contentRequestData = (chainId: bigint, message: ContentRequest) => ({
  domain: { name: "OpenLedger Content", version: "1", chainId },
  types: TYPES,
  primaryType: "ContentRequest" as const,
  message,
});

export const authorizationHeader = ({ expires, nonce }: ContentRequest, signature: Hex): string =>
  `OpenLedger expires=${expires}, nonce=${nonce}, signature=${signature}`;

const HEADER = /^OpenLedger expires=(\d{1,15}), nonce=(0x[0-9a-f]{64}), signature=(0x[0-9a-f]{130})$/;

export type Asker = { readonly ok: true; readonly account: Hex } | { readonly ok: false; readonly why: string };

/** Tells who asks, and remembers what has been asked. */
export class Askers {
  readonly #chainId: bigint;
  readonly #nowSeconds: () => number;
  /** Until when each nonce counts, of requests that were granted. */
  readonly #seen = new Map<string, bigint>();

  constructor(chainId: bigint, nowSeconds: () => number = () => Math.floor(Date.now() / 1_000)) {
    this.#chainId = chainId;
    this.#nowSeconds = nowSeconds;
  }

  /** `header` is the Authorization header of the request. */
  identify(header: string | undefined, request: Omit<ContentRequest, "expires" | "nonce">): Asker {
    if (header === undefined) return refuse("this content is for granted accounts: sign the request");
    const match = HEADER.exec(header);
    if (match === null) return refuse("the Authorization header is not OpenLedger expires=…, nonce=0x…, signature=0x…");
    const [expires, nonce, signature] = [BigInt(match[1] as string), match[2] as Hex, hexToBytes(match[3] as Hex)];
    const now = BigInt(this.#nowSeconds());
    if (expires <= now) return refuse(`the request expired at ${expires}, it is ${now}`);
    if (expires > now + BigInt(MAX_LIFETIME_SECONDS)) {
      return refuse(`the request expires more than ${MAX_LIFETIME_SECONDS} s from now`);
    }
    const digest = hexToBytes(hashTypedData(contentRequestData(this.#chainId, { ...request, expires, nonce })));
    const yParity = signature[64]! - 27;
    const address = recoverAddress(digest, signature.subarray(0, 32), signature.subarray(32, 64), yParity);
    if (address === undefined) return refuse("the signature is of no account");
    return { ok: true, account: bytesToHex(address) };
  }

  /** False when the request was granted before, or more are remembered than there is room for. To be called once it is. */
  isFirst(header: string): boolean {
    const [, expires, nonce] = HEADER.exec(header) ?? [];
    if (expires === undefined || nonce === undefined) return false;
    if (this.#seen.size >= MAX_NONCES) this.#forget();
    if (this.#seen.has(nonce) || this.#seen.size >= MAX_NONCES) return false;
    this.#seen.set(nonce, BigInt(expires));
    return true;
  }

  #forget(): void {
    const now = BigInt(this.#nowSeconds());
    for (const [nonce, expires] of this.#seen) if (expires <= now) this.#seen.delete(nonce);
  }
}

const refuse = (why: string): Asker => ({ ok: false, why });
