/**
 * The defence of every HTTP server here against DNS rebinding: a page that points its own name at this machine carries
 * that name in the Host header, and an IP address cannot be rebound.
 */

const IPV4 = /^\d{1,3}(\.\d{1,3}){3}$/;

/** Name of a Host header without port and brackets, lower case; undefined when it is not one. */
function nameOf(header: string): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:/?#@[\]\s]+))(?::\d{1,5})?$/i.exec(header);
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

/**
 * `localhost` and IP addresses always pass, `names` do too, "*" among them passes all. A request without the header
 * comes from an HTTP/1.0 program: browsers always send it.
 */
export function isHostAllowed(header: string | undefined, names: readonly string[]): boolean {
  if (header === undefined || header === "" || names.includes("*")) return true;
  const name = nameOf(header);
  if (name === undefined) return false;
  const isAddress = IPV4.test(name) || name.includes(":");
  return isAddress || name === "localhost" || names.some((allowed) => allowed.toLowerCase() === name);
}
