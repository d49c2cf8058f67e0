/** Signs requests for contents that only granted accounts get. */
import { randomBytes } from "node:crypto";
import type { LocalAccount } from "viem";
import { authorizationHeader, contentRequestData } from "../../attribution/content-request.ts";
import { bytesToHex } from "../../core/bytes.ts";
import type { Authorize } from "./store-client.ts";

const LIFETIME_SECONDS = 60;

export function signingAs(account: LocalAccount, chainId: number): Authorize {
  return async (method, url, range) => {
    const request = {
      host: url.host,
      method,
      path: url.pathname + url.search,
      range,
      expires: BigInt(Math.floor(Date.now() / 1_000) + LIFETIME_SECONDS),
      nonce: bytesToHex(new Uint8Array(randomBytes(32))),
    };
    const signature = await account.signTypedData(contentRequestData(BigInt(chainId), request));
    return { authorization: authorizationHeader(request, signature) };
  };
}
