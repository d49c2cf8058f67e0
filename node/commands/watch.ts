/** `openledger watch`: what help and main need of it; the work is loaded only to be done. */
import { readOptions } from "../config.ts";
import type { Command } from "../help.ts";

export const watchOptions = [
  "config",
  "datadir",
  "rpc",
  "content.url",
  "keyfile",
  "account",
  "models",
  "answers",
  "demand",
  "lookback",
  "rpc.poll",
  "log.level",
  "log.format",
] as const;

export const watchCommand: Command = {
  name: "watch",
  argumentsUsage: "",
  summary: "Re-trace hosts' answers and challenge wrong ones",
  description: `Follows what hosts commit, traces each output against the data of its model again, and challenges what is wrong while
its window is open: a byte that differs, a match left out, an earlier holder, another answer than the one in --answers, data that
is demanded (--demand) and not shown. A challenge that is upheld earns half of the slashed stake, or a quarter where a
contributor was left out. The account is --keyfile or, on a devnet, --account; it pays for gas. Contents come from --content.url
and are kept in the data directory (default ~/.openledger/watch), which can be deleted at any time. Ctrl-C stops it; the next
start looks back over --lookback blocks. See docs/hosting.md.`,
  options: watchOptions,
  async run(args) {
    // A mistake in them is told at once, before the program is loaded.
    readOptions(args, process.env, watchOptions);
    const { runWatch } = await import("../watch/run-watch.ts");
    return runWatch(args);
  },
};
