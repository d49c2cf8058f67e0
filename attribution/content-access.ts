/** Who may read which content of a store: what the chain says, as the server asks it. */
import type { IncomingMessage } from "node:http";
import type { Hex } from "../core/bytes.ts";
import { Askers } from "./content-request.ts";
import { HttpError } from "./http.ts";

export interface ContentAccess {
  readonly chainId: bigint;
  /** `unlisted`: the chain does not name it; who knows its root may read it, and the list does not show it to strangers. */
  visibility(root: Hex): "public" | "granted" | "unlisted";
  /** Of a content that is for granted accounts. `account` in lower case. */
  isGranted(root: Hex, account: Hex): Promise<boolean>;
}

export interface Gatekeeper {
  /** Resolves to whether everybody may read the content; throws HttpError 401 or 403 when the asker may not. */
  admit(request: IncomingMessage, root: Hex): Promise<boolean>;
  /** Whether strangers see it in the list. */
  isListed(root: Hex): boolean;
}

/** Without `access` everything is for everybody. */
export function gatekeeper(access: ContentAccess | undefined): Gatekeeper {
  if (access === undefined) return { admit: async () => true, isListed: () => true };
  const askers = new Askers(access.chainId);
  return {
    isListed: (root) => access.visibility(root) !== "unlisted",
    async admit(request, root) {
      if (access.visibility(root) !== "granted") return true;
      const { authorization, host = "", range = "" } = request.headers;
      const asked = { host, method: request.method ?? "", path: request.url ?? "", range };
      const asker = askers.identify(authorization, asked);
      if (!asker.ok) throw new HttpError(401, "not-signed", asker.why, { "www-authenticate": "OpenLedger" });
      if (!(await access.isGranted(root, asker.account))) {
        throw new HttpError(403, "not-granted", `${asker.account} has no role in a Datanet of ${root}`);
      }
      if (!askers.isFirst(authorization as string)) {
        throw new HttpError(401, "replayed", "this request was answered before: sign a new one", {
          "www-authenticate": "OpenLedger",
        });
      }
      return false;
    },
  };
}
