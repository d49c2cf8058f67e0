/**
 * `npm run demo`: the whole story against the running devnet, with viem and fetch only. Real text goes in; lineage and
 * rewards come out; everything is checked to the wei. Ends with exit 0 only when every check holds.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { formatEther } from "viem";
import { auditLineage, auditRewards } from "./audit.ts";
import { collectTexts } from "./corpus.ts";
import { contribute, curate, openDatanet } from "./datanet.ts";
import { askModel, registerModel, settle } from "./model.ts";
import { heading, line, summary } from "./report.ts";
import { openSession } from "./session.ts";

const OPTIONS = {
  rpc: { type: "string", default: "http://127.0.0.1:8545" },
  graphql: { type: "string", default: "http://127.0.0.1:4000/graphql" },
  content: { type: "string", default: "http://127.0.0.1:7070" },
  host: { type: "string", default: "http://127.0.0.1:8080" },
  help: { type: "boolean", default: false },
} as const;
const USAGE = "usage: npm run demo -- [--rpc URL] [--graphql URL] [--content URL] [--host URL]\n";

/** The endpoints; a mistake in the arguments ends the program with exit 2. */
function endpoints() {
  try {
    const { values } = parseArgs({ options: OPTIONS });
    if (!values.help) return values;
    process.stdout.write(USAGE);
    process.exit(0);
  } catch (error) {
    process.stderr.write(`demo: ${(error as Error).message}\n${USAGE}`);
    process.exit(2);
  }
}

const PROMPTS = [
  { prompt: "The software is provided", words: 200 },
  { prompt: "To install the package, run", words: 120 },
  { prompt: "This function returns", words: 120 },
];

async function demo(values: ReturnType<typeof endpoints>): Promise<void> {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const session = await openSession(values.rpc);
  const [curator, ...rest] = session.actors;
  const contributors = rest.slice(0, 6);
  const [owner, user, host] = rest.slice(6);
  if (curator === undefined || owner === undefined || user === undefined || host === undefined)
    throw new Error("ten accounts are needed");

  heading("Datanet");
  const texts = collectTexts(root, 36, 2);
  const datanetId = await openDatanet(session, curator);
  const contributions = await contribute(session, datanetId, texts, contributors, values.content);
  const version = await curate(session, curator, datanetId, contributions);

  heading("Model");
  const modelId = await registerModel(session, owner, host, { datanetId, version }, values.host);

  heading("Inferences");
  const committed = [];
  for (const { prompt, words } of PROMPTS) {
    committed.push(await askModel({ user, host, modelId, prompt, words, hostUrl: values.host }));
  }
  const inferences = [];
  for (const inference of committed) inferences.push(await settle(session, user, inference));

  heading("Lineage of one output, from GraphQL");
  const first = inferences[0];
  if (first === undefined) throw new Error("no inference was made");
  await auditLineage(session, values.graphql, first, contributions);

  heading("Rewards, from GraphQL, and claims");
  const claimed = await auditRewards(session, values.graphql, contributors);

  heading("Result");
  line(
    `${contributions.length} contributions, ${inferences.length} outputs, ${formatEther(claimed)} OPEN claimed by contributors`,
  );
  summary();
}

try {
  await demo(endpoints());
} catch (error) {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
