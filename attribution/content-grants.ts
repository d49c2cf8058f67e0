/** The file beside a sealed content that says who may open it: JSON, public, and of no use without a private key in it. */
import { bytesToHex, equalsBytes, type Hex, hexToBytes } from "../core/bytes.ts";
import { isPublicKey, publicKeyOf, SealError, type SealedRoots, unwrapKey, wrapKey } from "./content-seal.ts";

const VERSION = 1;
const MAX_GRANTS = 10_000;

export interface Grant {
  /** Compressed. */
  readonly publicKey: Hex;
  readonly wrapped: Hex;
}

export interface Grants {
  readonly version: 1;
  readonly contentRoot: Hex;
  readonly sealedRoot: Hex;
  readonly grants: readonly Grant[];
}

const rootsOf = ({ contentRoot, sealedRoot }: Grants): SealedRoots => ({
  content: hexToBytes(contentRoot),
  sealed: hexToBytes(sealedRoot),
});

/** Throws SealError when a public key is none. */
export function grantTo(key: Uint8Array, publicKeys: readonly Uint8Array[], grants: Grants): Grants {
  const known = new Set(grants.grants.map(({ publicKey }) => publicKey));
  const added = publicKeys
    .filter((publicKey) => !known.has(bytesToHex(publicKey)))
    .map((publicKey) => ({
      publicKey: bytesToHex(publicKey),
      wrapped: bytesToHex(wrapKey(key, publicKey, rootsOf(grants))),
    }));
  return { ...grants, grants: [...grants.grants, ...added] };
}

export const noGrants = (contentRoot: Hex, sealedRoot: Hex): Grants => ({
  version: VERSION,
  contentRoot,
  sealedRoot,
  grants: [],
});

/** Throws SealError when the private key was granted nothing. */
export function contentKey(grants: Grants, privateKey: Uint8Array): Uint8Array {
  const own = publicKeyOf(privateKey);
  const grant = grants.grants.find(({ publicKey }) => equalsBytes(hexToBytes(publicKey), own));
  if (grant === undefined) throw new SealError(`${bytesToHex(own)} is not among the grants`);
  return unwrapKey(hexToBytes(grant.wrapped), privateKey, rootsOf(grants));
}

/** Throws SealError when the text is no grants file. */
export function parseGrants(text: string): Grants {
  let value: Partial<Grants>;
  try {
    value = JSON.parse(text) as Partial<Grants>;
  } catch (error) {
    throw new SealError("this is no grants file: no JSON", { cause: error });
  }
  const isHex = (item: unknown, bytes: number): item is Hex =>
    typeof item === "string" && item.length === 2 + 2 * bytes && /^0x[0-9a-f]*$/.test(item);
  const { version, contentRoot, sealedRoot, grants } = value ?? {};
  if (version !== VERSION)
    throw new SealError(`a grants file has version ${VERSION}, this has ${JSON.stringify(version)}`);
  if (!isHex(contentRoot, 32) || !isHex(sealedRoot, 32)) throw new SealError("a root in the grants file is none");
  if (!Array.isArray(grants) || grants.length > MAX_GRANTS) throw new SealError("the grants are no list of them");
  const isGrant = ({ publicKey, wrapped }: Partial<Grant>) =>
    isHex(publicKey, 33) && isPublicKey(hexToBytes(publicKey)) && isHex(wrapped, 81);
  const wrong = grants.findIndex((grant: unknown) => typeof grant !== "object" || grant === null || !isGrant(grant));
  if (wrong >= 0) throw new SealError(`grant ${wrong} is none`);
  return { version, contentRoot, sealedRoot, grants };
}
