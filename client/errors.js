/** Why a question has no answer. Each carries a code for programs and a line for people. */

export class LineageError extends Error {
  name = "LineageError";
  /** @type {string} */
  code;

  /**
   * @param {string} code
   * @param {string} message
   * @param {ErrorOptions} [options]
   */
  constructor(code, message, options) {
    super(message, options);
    this.code = code;
  }
}

/** Nothing came back that is an answer: the same question may succeed later or elsewhere. */
export class LineageTransportError extends LineageError {
  name = "LineageTransportError";
  /** @type {"UNREACHABLE" | "TIMEOUT" | "HTTP" | "BAD_ANSWER"} */
  code;
  /** @type {number | undefined} */
  status;

  /**
   * @param {"UNREACHABLE" | "TIMEOUT" | "HTTP" | "BAD_ANSWER"} code
   * @param {string} message
   * @param {ErrorOptions & { status?: number }} [options] `status`: of HTTP
   */
  constructor(code, message, { status, ...options } = {}) {
    super(code, message, options);
    this.code = code;
    this.status = status;
  }
}

/** The server refused the question; `errors` is what it said. `code` is that of the first error. */
export class LineageQueryError extends LineageError {
  name = "LineageQueryError";

  /** @param {import("./lineage.d.ts").GraphqlError[]} errors at least one */
  constructor(errors) {
    super(errors[0]?.extensions?.code ?? "GRAPHQL", errors.map(({ message }) => message).join("; "));
    this.errors = errors;
  }
}
