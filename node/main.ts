/** The process of the program. */
import { EXIT } from "./errors.ts";
import { runProgram } from "./program.ts";

// Whoever read the output has seen enough (`openledger network | head -1`). A devnet ends too, as by a signal.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(EXIT.ok);
});

process.exitCode = await runProgram(process.argv.slice(2));
// The launcher's pipe would keep a finished command alive.
process.channel?.unref();
