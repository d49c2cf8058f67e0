/** The prebuilt libsecp256k1 addon. The package's own entry point is not used: it falls back to slow elliptic. */
declare module "secp256k1/bindings.js" {
  const secp256k1: {
    /** Uncompressed or compressed key; throws when r or s is out of range or no key matches. */
    ecdsaRecover(signature: Uint8Array, recoveryId: number, digest: Uint8Array, compressed: boolean): Uint8Array;
    /** Throws when the private key is zero or not below the group order. */
    ecdsaSign(digest: Uint8Array, privateKey: Uint8Array): { signature: Uint8Array; recid: number };
    publicKeyCreate(privateKey: Uint8Array, compressed: boolean): Uint8Array;
    privateKeyVerify(privateKey: Uint8Array): boolean;
  };
  export default secp256k1;
}
