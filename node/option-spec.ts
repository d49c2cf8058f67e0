/** What an option is, and short forms of those that there are many of. */

export type OptionType =
  | "path"
  | "address"
  | "account"
  | "port"
  | "integer"
  | "boolean"
  | "choice"
  | "list"
  | "amount"
  | "range"
  | "text"
  | "url";

export interface OptionSpec {
  readonly type: OptionType;
  /** In the form that a user would write. Undefined: no default. */
  readonly default?: string;
  readonly choices?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  /** Word for the value in help texts. */
  readonly value?: string;
  readonly group:
    | "Node"
    | "Validator"
    | "Network"
    | "JSON-RPC"
    | "Transaction pool"
    | "GraphQL"
    | "Content store"
    | "Data"
    | "Model host"
    | "Watching"
    | "Lineage"
    | "Metrics"
    | "L1"
    | "Bridge"
    | "Chain"
    | "Logging";
  readonly help: string;
}

export const port = (fallback: string, group: OptionSpec["group"], help: string): OptionSpec => ({
  type: "port",
  default: fallback,
  value: "PORT",
  group,
  help,
});

export const listen = (group: OptionSpec["group"], help: string): OptionSpec => ({
  type: "address",
  default: "127.0.0.1",
  value: "ADDRESS",
  group,
  help,
});

/** Whole numbers of `group`: `integerOf(group)(fallback, maximum, value, help)`. */
export const integerOf =
  (group: OptionSpec["group"]) =>
  (fallback: number, maximum: number, value: string, help: string, minimum = 1) =>
    ({ type: "integer", default: String(fallback), minimum, maximum, value, group, help }) satisfies OptionSpec;
