/** What `openledger host` is told, checked. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { parseEther } from "viem";
import type { Listener, Values } from "../config.ts";
import { OperationError, UsageError } from "../errors.ts";

export interface HostSettings {
  readonly datadir: string;
  readonly rpcUrl: string;
  readonly contentUrls: readonly string[];
  readonly contentDirectory: string;
  readonly listener: Listener;
  readonly vhosts: readonly string[];
  /** Undefined: where it listens. */
  readonly publicUrl: string | undefined;
  /** Undefined: all that are joined. */
  readonly models: ReadonlySet<bigint> | undefined;
  readonly join: readonly bigint[];
  readonly stakeWei: bigint | undefined;
  readonly isFree: boolean;
  readonly engine: OpenAiSettings | undefined;
  readonly passages: number;
  readonly batchSize: number;
  readonly batchMs: number;
  readonly pollMs: number;
  readonly maxUnsettled: number;
  readonly maxCorpusBytes: number;
  readonly keepAnswers: number;
}

/** Undefined in its place: the infinity-gram model. */
export interface OpenAiSettings {
  readonly url: string;
  readonly model: string;
  readonly apiKey: string | undefined;
  readonly timeoutMs: number;
  readonly parallel: number;
}

/** Throws UsageError; OperationError where the engine's key cannot be read. */
export function hostSettings(values: Values, environment: Readonly<Record<string, string | undefined>>): HostSettings {
  const datadir = (values.datadir as string | undefined) ?? join(homedir(), ".openledger", "host");
  const contentUrls = values["content.url"] as readonly string[];
  const wrong = contentUrls.find((url) => !/^https?:\/\//.test(url) || !URL.canParse(url));
  if (wrong !== undefined || contentUrls.length === 0) {
    throw new UsageError(`--content.url "${wrong ?? ""}" is not an http or https URL`);
  }
  const engine = engineSettings(values, environment);
  const passages = values.retrieval as number;
  if (passages > 0 && engine === undefined)
    throw new UsageError("--retrieval needs --engine openai: the other reads none");
  const models = values.models as readonly string[];
  const isAuto = models.length === 1 && models[0] === "auto";
  return {
    datadir,
    rpcUrl: values.rpc as string,
    contentUrls,
    contentDirectory: (values["content.dir"] as string | undefined) ?? join(datadir, "content"),
    listener: { address: values["host.addr"] as string, port: values["host.port"] as number },
    vhosts: values["http.vhosts"] as readonly string[],
    publicUrl: values["host.url"] as string | undefined,
    models: isAuto ? undefined : new Set(modelIds("models", models)),
    join: modelIds("join", values.join as readonly string[]),
    stakeWei: values.stake === undefined ? undefined : parseEther(values.stake as string),
    isFree: values.free === true,
    engine,
    passages,
    batchSize: values["batch.size"] as number,
    batchMs: (values["batch.seconds"] as number) * 1_000,
    pollMs: values["rpc.poll"] as number,
    maxUnsettled: values["max.unsettled"] as number,
    maxCorpusBytes: (values["max.corpus"] as number) * 1024 * 1024,
    keepAnswers: values["keep.answers"] as number,
  };
}

function modelIds(option: "models" | "join", words: readonly string[]): bigint[] {
  const wrong = words.find((word) => !/^[1-9]\d{0,18}$/.test(word));
  if (wrong !== undefined) throw new UsageError(`--${option} "${wrong}" is no id of a model`);
  if (option === "models" && words.length === 0) throw new UsageError("--models names none; use auto or ids");
  return words.map(BigInt);
}

function engineSettings(
  values: Values,
  environment: Readonly<Record<string, string | undefined>>,
): OpenAiSettings | undefined {
  const [url, model] = [values["engine.url"], values["engine.model"]] as (string | undefined)[];
  const [keyFile, keyEnv] = [values["engine.keyfile"], values["engine.keyenv"]] as (string | undefined)[];
  if (values.engine === "infinity-gram") {
    if ([url, model, keyFile, keyEnv].some((value) => value !== undefined)) {
      throw new UsageError("--engine.url, --engine.model and --engine.key… go with --engine openai");
    }
    return undefined;
  }
  if (url === undefined || model === undefined)
    throw new UsageError("--engine openai needs --engine.url and --engine.model");
  const { username, password } = new URL(url);
  if (username !== "" || password !== "") throw new UsageError("--engine.url must hold no key; use --engine.keyfile");
  if (keyFile !== undefined && keyEnv !== undefined)
    throw new UsageError("--engine.keyfile or --engine.keyenv, not both");
  return {
    url,
    model,
    apiKey: keyFile !== undefined ? keyOf(keyFile, readSecret(keyFile)) : keyEnv && keyOf(keyEnv, environment[keyEnv]),
    timeoutMs: (values["engine.timeout"] as number) * 1_000,
    parallel: values["engine.parallel"] as number,
  };
}

function readSecret(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new OperationError(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/** Never shows what it read. */
function keyOf(place: string, text: string | undefined): string {
  const key = text?.trim() ?? "";
  if (!/^[\x21-\x7e]+$/.test(key)) throw new OperationError(`${place} holds no key: one line without spaces`);
  return key;
}
