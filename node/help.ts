/** Help texts in geth's form, made from the same table that parses the options. */
import packageJson from "../package.json" with { type: "json" };
import type { OptionSpec } from "./option-spec.ts";
import { OPTIONS, type OptionDefaults, type OptionName, type OptionSpecs } from "./options.ts";

export const VERSION: string = packageJson.version;

export interface Command {
  readonly name: string;
  /** Shown after the name in USAGE; empty when it takes flags only. */
  readonly argumentsUsage: string;
  readonly summary: string;
  readonly description: string;
  readonly options: readonly OptionName[];
  readonly defaults?: OptionDefaults;
  readonly specs?: OptionSpecs;
  /** Resolves to the exit code. */
  run(args: readonly string[]): Promise<number>;
}

const indent = (text: string): string => text.replaceAll(/^(?=.)/gm, "   ");

export function programHelp(commands: readonly Command[]): string {
  const rows = [
    ...commands.map((command) => [command.name, command.summary] as const),
    ["help", "Show help, or the help of a command"],
    ["version", "Show the version"],
  ] as const;
  const width = Math.max(...rows.map(([name]) => name.length)) + 3;
  return `NAME:
   openledger - the OpenLedger node: who contributed, what was made of it, who is paid

USAGE:
   openledger COMMAND [flags]

VERSION:
   ${VERSION}

COMMANDS:
${rows.map(([name, summary]) => `   ${name.padEnd(width)}${summary}`).join("\n")}

   Flags may also come from a file (--config FILE) and from the environment: --http.port is OPENLEDGER_HTTP_PORT.
   File < environment < flags.

EXIT CODES:
   0 success   1 failure   2 usage   3 data directory locked or damaged

   openledger COMMAND --help shows the flags of a command.
`;
}

function optionRow(name: OptionName, spec: OptionSpec, defaults: OptionDefaults): string {
  const head = `--${name}${spec.type === "boolean" ? "" : ` ${spec.value ?? "VALUE"}`}`;
  const choices = spec.choices === undefined ? "" : ` [${spec.choices.join(", ")}]`;
  const value = defaults[name] ?? spec.default ?? "";
  const fallback = value === "" ? "" : ` (default: ${value})`;
  return `${head.padEnd(30)}${spec.help}${choices}${fallback}`;
}

export function commandHelp(command: Command): string {
  const specOf = (name: OptionName): OptionSpec => command.specs?.[name] ?? OPTIONS[name];
  const groups = [...new Set(command.options.map((name) => specOf(name).group))];
  const sections = groups.map((group) => {
    const rows = command.options
      .filter((name) => specOf(name).group === group)
      .map((name) => optionRow(name, specOf(name), command.defaults ?? {}));
    return `${group.toUpperCase()} FLAGS:\n${indent(rows.join("\n"))}\n`;
  });
  return `NAME:
   openledger ${command.name} - ${command.summary}

USAGE:
   openledger ${command.name} ${command.argumentsUsage === "" ? "" : `${command.argumentsUsage} `}[flags]

DESCRIPTION:
${indent(command.description)}

${sections.join("\n")}`;
}
