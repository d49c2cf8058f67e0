/** The configuration object of debug_trace*: execution-apis' TraceConfig with geth's tracers. */
import type { TracerChoice } from "../../execution/trace/tracers.ts";
import { boolean, type Decoder, field, InvalidValue, object, show, text } from "./values.ts";

export interface TraceConfig {
  readonly tracer: TracerChoice;
  /** Of work that a traced transaction may take. */
  readonly timeoutMs: number;
}

type Fields = Readonly<Record<string, unknown>>;

/** geth's. */
const DEFAULT_TIMEOUT_MS = 5_000;
/** Longer is not waited for. */
const MAX_TIMEOUT_MS = 25_000;

export const DEFAULT_TRACE: TraceConfig = { tracer: structLogger({}), timeoutMs: DEFAULT_TIMEOUT_MS };

/** Unknown fields are ignored: tools send what other nodes know. */
export const traceConfig: Decoder<TraceConfig> = (value) => {
  const config = object(value);
  const name = field(config, "tracer", text);
  const tracerConfig = field(config, "tracerConfig", object) ?? {};
  return {
    tracer: name === undefined || name === "" ? structLogger(config) : namedTracer(name, tracerConfig),
    timeoutMs: Math.min(field(config, "timeout", goDuration) ?? DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS),
  };
};

function flag(config: Fields, name: string): boolean {
  return field(config, name, boolean) ?? false;
}

function count(value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw new InvalidValue(`want a number of steps, have ${show(value)}`);
}

function structLogger(config: Fields): TracerChoice {
  return {
    name: "structLogger",
    config: {
      enableMemory: flag(config, "enableMemory"),
      disableStack: flag(config, "disableStack"),
      disableStorage: flag(config, "disableStorage"),
      enableReturnData: flag(config, "enableReturnData"),
      limit: field(config, "limit", count) ?? 0,
    },
  };
}

const NAMED: Readonly<Record<string, (config: Fields) => TracerChoice>> = {
  callTracer: (config) => ({
    name: "callTracer",
    config: { onlyTopCall: flag(config, "onlyTopCall"), withLog: flag(config, "withLog") },
  }),
  prestateTracer(config) {
    const [diffMode, includeEmpty] = [flag(config, "diffMode"), flag(config, "includeEmpty")];
    if (diffMode && includeEmpty) throw new InvalidValue("cannot use diffMode with includeEmpty");
    const [disableCode, disableStorage] = [flag(config, "disableCode"), flag(config, "disableStorage")];
    return { name: "prestateTracer", config: { diffMode, disableCode, disableStorage, includeEmpty } };
  },
  "4byteTracer": () => ({ name: "4byteTracer" }),
  noopTracer: () => ({ name: "noopTracer" }),
  muxTracer: (config) => ({
    name: "muxTracer",
    tracers: Object.keys(config).map((name) => {
      if (name === "muxTracer") throw new InvalidValue("a muxTracer inside a muxTracer is not offered");
      return namedTracer(name, field(config, name, object) ?? {});
    }),
  }),
};

function namedTracer(name: string, config: Fields): TracerChoice {
  const choose = Object.hasOwn(NAMED, name) ? NAMED[name] : undefined;
  if (choose !== undefined) return choose(config);
  const offered = Object.keys(NAMED).join(", ");
  throw new InvalidValue(`tracer ${show(name)} is not offered, want one of ${offered}; JavaScript is not run here`);
}

const UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};
const PART = /^(\d{1,15}(?:\.\d{0,9})?|\.\d{1,9})(ns|us|µs|μs|ms|s|m|h)/;
/** More parts than units is no duration that anybody means. */
const MAX_PARTS = 8;

/** Go's: "5s", "300ms", "1m30s". In milliseconds. */
const goDuration: Decoder<number> = (value) => {
  const given = text(value);
  let rest = given;
  let ms = 0;
  for (let parts = 0; rest !== "" && parts < MAX_PARTS; parts++) {
    const part = PART.exec(rest);
    if (part === null) break;
    ms += Number(part[1]) * UNITS_MS[part[2]!]!;
    rest = rest.slice(part[0].length);
  }
  if (given === "" || rest !== "") throw new InvalidValue(`want a duration such as "5s", have ${show(given)}`);
  return ms;
};
