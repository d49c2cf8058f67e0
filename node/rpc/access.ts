/** Who may call besides core/host-header.ts: Origin against web pages that the user did not allow. */
export interface AccessRules {
  /** Further host names; loopback names and IP addresses always pass, "*" passes all. */
  readonly vhosts: readonly string[];
  /** Web origins that may read answers and open WebSockets, "*" for all. Empty: none. */
  readonly origins: readonly string[];
}

/** Only browsers send Origin; programs without it pass. */
export function isOriginAllowed(origin: string | undefined, { origins }: AccessRules): boolean {
  return (
    origin === undefined || origins.includes("*") || origins.some((one) => one.toLowerCase() === origin.toLowerCase())
  );
}
