/** Who may call: Host against DNS rebinding, Origin against web pages that the user did not allow. */
import { isIP } from "node:net";

export interface AccessRules {
  /** Further host names; loopback names and IP addresses always pass, "*" passes all. */
  readonly vhosts: readonly string[];
  /** Web origins that may read answers and open WebSockets, "*" for all. Empty: none. */
  readonly origins: readonly string[];
}

/**
 * A rebound name reaches this server with the attacker's name in Host; an IP address cannot be rebound.
 * HTTP/1.0 clients send no Host, browsers always do.
 */
export function isHostAllowed(host: string | undefined, { vhosts }: AccessRules): boolean {
  if (host === undefined || host === "" || vhosts.includes("*")) return true;
  const name = /^\[(.*)\](?::\d+)?$/.exec(host)?.[1] ?? host.replace(/:\d+$/, "");
  return (
    isIP(name) !== 0 ||
    name.toLowerCase() === "localhost" ||
    vhosts.some((one) => one.toLowerCase() === name.toLowerCase())
  );
}

/** Only browsers send Origin; programs without it pass. */
export function isOriginAllowed(origin: string | undefined, { origins }: AccessRules): boolean {
  return (
    origin === undefined || origins.includes("*") || origins.some((one) => one.toLowerCase() === origin.toLowerCase())
  );
}
