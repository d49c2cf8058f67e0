/** The program: finds the command, runs it, turns whatever happens into one clear line and an exit code. */
import { COMMANDS } from "./commands/all.ts";
import { suggestion } from "./config.ts";
import { EXIT, exitCodeOf, UsageError } from "./errors.ts";
import { commandHelp, programHelp, VERSION } from "./help.ts";

/** Resolves to the exit code; what went wrong is on stderr. Never rejects. */
export async function runProgram(args: readonly string[]): Promise<number> {
  try {
    return await runCommand(args);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    for (const line of message.split("\n")) process.stderr.write(`openledger: ${line}\n`);
    return exitCodeOf(error);
  }
}

async function runCommand(args: readonly string[]): Promise<number> {
  const [word, ...rest] = args;
  if (word === "--version" || word === "-v" || word === "version") {
    process.stdout.write(`openledger ${VERSION}\n`);
    return EXIT.ok;
  }
  const isHelp = word === "help" || word === "--help" || word === "-h";
  if (word === undefined || (isHelp && rest.length === 0)) {
    process.stdout.write(programHelp(COMMANDS));
    return word === undefined ? EXIT.usage : EXIT.ok;
  }
  const name = isHelp ? rest[0] : word;
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (command === undefined) {
    const near = suggestion(String(name), ["help", "version", ...COMMANDS.map((candidate) => candidate.name)]);
    throw new UsageError(`unknown command ${JSON.stringify(name)}${near}; see openledger --help`);
  }
  if (isHelp || rest.includes("--help") || rest.includes("-h")) {
    process.stdout.write(commandHelp(command));
    return EXIT.ok;
  }
  return command.run(rest);
}
