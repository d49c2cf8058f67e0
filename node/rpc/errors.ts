/** JSON-RPC error codes: the standard's, and geth's where the standard leaves room. */
export const RPC_ERROR = {
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
  /** The method ran and refused: geth's code for everything without its own. */
  server: -32000,
  notificationsUnsupported: -32001,
  timeout: -32002,
  tooLarge: -32003,
  reverted: 3,
  /** EIP-7966: in the pool, but without a receipt in time. */
  syncTimeout: 4,
  /** execution-apis: a block from before those that are kept. */
  pruned: 4444,
} as const;

/** An answer that the caller is meant to see. Anything else that is thrown becomes "internal error". */
export class RpcError extends Error {
  readonly code: number;
  readonly data: unknown;
  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.name = "RpcError";
    this.code = code;
    this.data = data;
  }
}

export function serverError(message: string): RpcError {
  return new RpcError(RPC_ERROR.server, message);
}

export function invalidParams(message: string): RpcError {
  return new RpcError(RPC_ERROR.invalidParams, message);
}
