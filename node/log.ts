/** pino: JSON lines for machines, one short line an event on a terminal. */
import pino, { type Logger } from "pino";
import pretty from "pino-pretty";

export type { Logger } from "pino";

const REDACTED = ["privateKey", "mnemonic", "password", "*.privateKey", "*.mnemonic", "*.password"];

/** Writes are synchronous: the last line before a crash is there. */
export function createLog(level: string, format: "pretty" | "json"): Logger {
  const options = { level, base: null, redact: REDACTED };
  if (format === "json") return pino(options, pino.destination({ dest: 1, sync: true }));
  const stream = pretty({
    sync: true,
    colorize: process.stdout.isTTY === true && process.env.NO_COLOR === undefined,
    translateTime: "SYS:HH:MM:ss.l",
    ignore: "module",
    singleLine: true,
  });
  return pino(options, stream);
}
