/** Errors in OpenAI's form: {"error": {"message", "type", "param", "code"}}. */
import { HttpError } from "./http.ts";
import { REFUSAL_STATUS, type RefusalCode } from "./refusal.ts";

export class ApiError extends Error {
  readonly status: number;
  readonly type: string;
  readonly code: string;
  /** The field that is wrong. */
  readonly param: string | undefined;
  constructor(status: number, code: string, message: string, param?: string) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.type = typeOf(status);
    this.code = code;
    this.param = param;
  }
}

const typeOf = (status: number): string =>
  status === 402 ? "payment_required" : status >= 500 ? "server_error" : "invalid_request_error";

export const refusalError = (code: RefusalCode, message: string): ApiError =>
  new ApiError(REFUSAL_STATUS[code], code.replaceAll("-", "_"), message);

/** Undefined for what is nobody's request. */
export function apiErrorOf(error: unknown): ApiError | undefined {
  if (error instanceof ApiError) return error;
  return error instanceof HttpError
    ? new ApiError(error.status, error.code.replaceAll("-", "_"), error.message)
    : undefined;
}

export const errorBody = ({
  message,
  type,
  param = null,
  code,
}: Omit<ApiError, "param"> & { param?: string | null | undefined }) => ({
  error: { message, type, param, code },
});
