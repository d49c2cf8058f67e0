/** pino: JSON lines for machines, one short line an event on a terminal. */
import pino, { type Logger } from "pino";
import pretty from "pino-pretty";

export type { Logger } from "pino";

const REDACTED = ["privateKey", "mnemonic", "password", "*.privateKey", "*.mnemonic", "*.password"];

/** Writes are synchronous: the last line before a crash is there. */
/** `fd`: 1 is standard output, 2 standard error. */
export function createLog(level: string, format: "pretty" | "json", fd: 1 | 2 = 1): Logger {
  const options = { level, base: null, redact: REDACTED };
  if (format === "json") return pino(options, pino.destination({ dest: fd, sync: true }));
  const stream = pretty({
    sync: true,
    destination: fd,
    colorize: process.stdout.isTTY === true && process.env.NO_COLOR === undefined,
    translateTime: "SYS:HH:MM:ss.l",
    hideObject: true,
    // An error keeps its own lines below.
    errorLikeObjectKeys: ["err"],
    messageFormat: (log, messageKey) => `${String(log[messageKey]).padEnd(24)} ${fieldsOf(log)}`.trimEnd(),
  });
  return pino(options, stream);
}

const OWN_FIELDS = new Set(["level", "time", "msg", "module", "err"]);

/** `height=24 txs=6`, as geth prints them. */
function fieldsOf(log: Record<string, unknown>): string {
  const shown = Object.entries(log).filter(([name]) => !OWN_FIELDS.has(name));
  const words = shown.map(([name, value]) => `${name}=${typeof value === "object" ? JSON.stringify(value) : value}`);
  const error = log.err as { message?: string } | undefined;
  return [...words, ...(error?.message === undefined ? [] : [`error=${JSON.stringify(error.message)}`])].join(" ");
}
