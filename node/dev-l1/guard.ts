/**
 * Runs a program for as long as the process that started this one lives: when standard input ends, however that came
 * about, the program is asked to end. What it ends with, this ends with.
 *
 *   node guard.ts PROGRAM ARGUMENTS...
 */
import { spawn } from "node:child_process";

const [program, ...args] = process.argv.slice(2);
const child = spawn(program as string, args, { stdio: ["ignore", "inherit", "inherit"] });
const end = () => child.kill("SIGTERM");
process.stdin.resume().on("end", end).on("error", end);
// Ctrl-C reaches the whole group of processes; whoever started this decides when it is over.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});
child.on("error", (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
child.on("exit", (code, signal) => process.exit(signal === null ? (code ?? 1) : 0));
