/** Which IPv4 and IPv6 addresses may be somebody's: those that are routed globally, and are no documentation. */

/** `text`: four decimal numbers with dots. False for anything else. */
export function isPublicIpv4(text: string): boolean {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255))
    return false;
  const [a, b, c] = parts.map(Number) as [number, number, number, number];
  if (a === 0 || a === 10 || a === 127 || a >= 224) return false; // this network, private, loopback, multicast, reserved
  if (a === 100 && b >= 64 && b < 128) return false; // carriers' own, RFC 6598
  if (a === 169 && b === 254) return false; // link-local
  if (a === 172 && b >= 16 && b < 32) return false;
  if (a === 192 && (b === 168 || (b === 0 && (c === 0 || c === 2)))) return false; // 192.0.2.0/24: RFC 5737
  if (a === 198 && (b === 18 || b === 19 || (b === 51 && c === 100))) return false; // RFC 2544, RFC 5737
  if (a === 203 && b === 0 && c === 113) return false; // RFC 5737
  // Looks like an address and is a version: 1.2.3.4, 2.0.0.0.
  return !parts.slice(1).every((part) => part.length === 1) || a > 9;
}

/** Global unicast (2000::/3) without documentation (RFC 3849, RFC 9637). */
export function isPublicIpv6(text: string): boolean {
  const groups = ipv6Groups(text);
  if (groups === undefined) return false;
  const [first, second] = groups as [number, number];
  if (first < 0x2000 || first > 0x3fff) return false;
  return !(first === 0x2001 && second === 0x0db8) && !(first === 0x3fff && second < 0x1000);
}

/** Eight numbers; undefined when the text is no address. */
function ipv6Groups(text: string): readonly number[] | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const groupsOf = (half: string): string[] => (half === "" ? [] : half.split(":"));
  const head = groupsOf(halves[0]!);
  const tail = groupsOf(halves[1] ?? "");
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const all = [...head, ...new Array<string>(halves.length === 2 ? missing : 0).fill("0"), ...tail];
  return all.every((group) => /^[0-9a-f]{1,4}$/i.test(group))
    ? all.map((group) => Number.parseInt(group, 16))
    : undefined;
}
