/** Passwords come from a file or from a terminal, never from an argument or the environment, which others can see. */
import { readFileSync, statSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { OperationError, UsageError } from "../errors.ts";
import { requirePrivate } from "./keys.ts";

const MAX_PASSWORD_LENGTH = 1_024;

export interface Terminal {
  readonly input: Readable & { readonly isTTY?: boolean; setRawMode?(mode: boolean): unknown };
  readonly output: Writable;
}

const systemTerminal: Terminal = { input: process.stdin, output: process.stderr };

export interface PasswordOptions {
  /** Its one line is the password. */
  readonly file: string | undefined;
  /** Of a new keystore: asked for twice. */
  readonly isNew?: boolean;
}

/** Throws UsageError, DataError when others can read the file, OperationError when it cannot be read at all. */
export async function readPassword(
  { file, isNew = false }: PasswordOptions,
  terminal: Terminal = systemTerminal,
): Promise<string> {
  if (file !== undefined) return passwordFrom(file);
  if (terminal.input.isTTY !== true) {
    throw new UsageError("a password is needed: name its file with --validator.passwordfile, or use a terminal");
  }
  const password = await ask(terminal, "Password of the keystore: ");
  if (password === "") throw new UsageError("the password is empty");
  if (isNew && (await ask(terminal, "The same again: ")) !== password) {
    throw new UsageError("the two passwords differ");
  }
  return password;
}

function passwordFrom(file: string): string {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) throw new OperationError(`${file} does not exist`);
  requirePrivate(file, stat.mode);
  if (stat.size > 4 * MAX_PASSWORD_LENGTH) throw new OperationError(`${file} is too long for a password`);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new OperationError(`${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
  const password = text.replace(/\r?\n$/, "");
  if (password === "" || /[\r\n]/.test(password)) throw new UsageError(`${file} must hold one line, the password`);
  return password;
}

/** Without an echo. Rejects with OperationError on Ctrl-C, Ctrl-D, and when the terminal goes away. */
function ask({ input, output }: Terminal, question: string): Promise<string> {
  output.write(question);
  input.setRawMode?.(true);
  input.setEncoding("utf8");
  return new Promise((resolve, reject) => {
    let text = "";
    const finish = (settle: () => void) => {
      input.off("data", onData).off("end", onEnd);
      input.setRawMode?.(false);
      input.pause();
      output.write("\n");
      settle();
    };
    const onEnd = () => finish(() => reject(new OperationError("no password was given")));
    const onData = (chunk: string) => {
      for (const character of chunk) {
        if (character === "\r" || character === "\n") return finish(() => resolve(text));
        if (character === "\u0003" || character === "\u0004") return onEnd();
        if (character === "\u007f" || character === "\b") text = [...text].slice(0, -1).join("");
        // EIP-2335 knows no control characters in a password.
        else if (character >= " " && text.length < MAX_PASSWORD_LENGTH) text += character;
      }
    };
    input.on("data", onData).on("end", onEnd);
    input.resume();
  });
}
