/** What the system says of a running process. Everything is 0 where there is no /proc. */
import { readFileSync } from "node:fs";

/** User and system time of all its threads: fields 14 and 15 of /proc/PID/stat, in hundredths of a second on every Linux. */
export function processorMs(pid: number): number {
  const stat = readProc(`/proc/${pid}/stat`);
  // The program's name stands in parentheses and may hold blanks.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return 10 * (Number(fields[11] ?? 0) + Number(fields[12] ?? 0));
}

/** The most memory that it held. */
export const mostMemoryMib = (pid: number): number => statusMib(pid, "VmHWM");

/** Memory that it holds now, mapped files left out. */
export const anonymousMib = (pid: number): number => statusMib(pid, "RssAnon");

function statusMib(pid: number, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(readProc(`/proc/${pid}/status`))?.[1] ?? 0) / 1_024;
}

function readProc(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
