/** How exported documents name things of a chain: the same thing has the same name in every document, from any node. */
import { bytesToHex } from "../../core/bytes.ts";
import { keccak256 } from "../../core/crypto.ts";

export interface ExportContext {
  /** `_meta.deployment` of the index: begins with the hash of the chain's genesis block. */
  readonly deployment: string;
  /** Version of the program that exports. */
  readonly programVersion: string;
}

/** URI of the chain, which all names of its things begin with. */
export const chainUri = ({ deployment }: ExportContext): string =>
  `urn:openledger:${deployment.split("-")[0]?.replace(/^0x/, "")}`;

export const programUri = ({ programVersion }: ExportContext): string => `urn:openledger:program:${programVersion}`;

/** Version 8 UUID (RFC 9562) of a name: exporting again gives the same, so that receivers can tell. */
export function uuidOf(name: string): string {
  const bytes = keccak256(new TextEncoder().encode(name)).slice(0, 16);
  bytes[6] = 0x80 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  return bytesToHex(bytes)
    .slice(2)
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** RFC 3339 in UTC of Unix seconds. */
export const dateTime = (seconds: number): string => new Date(seconds * 1_000).toISOString();

/** The URI if it is one; text that people wrote on chain need not be. */
export const uriOrUndefined = (text: string): string | undefined =>
  URL.canParse(text) ? new URL(text).href : undefined;

/** Page of an SPDX licence; a URN for what SPDX does not list. */
export const licenceUri = (licence: string): string =>
  licence.startsWith("LicenseRef-") || licence === "NONE"
    ? `urn:openledger:licence:${licence}`
    : `https://spdx.org/licenses/${licence}.html`;
