/** What operators are given: docs/operations.md, ops/, Dockerfile. It names what the program has, and nothing else. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { COMMANDS } from "../node/commands/all.ts";
import { nodeOptions } from "../node/commands/node.ts";
import { validatorCommand } from "../node/commands/validator.ts";
import { nodeConfig, readOptions } from "../node/config.ts";
import { EXIT } from "../node/errors.ts";
import { closeServer, listen } from "../node/http.ts";
import { createMetricsServer } from "../node/metrics.ts";
import type { OptionSpec } from "../node/option-spec.ts";
import { OPTIONS, type OptionName } from "../node/options.ts";
import { parseConfig } from "../node/p2p/config.ts";
import { createIdentity } from "../node/p2p/identity.ts";
import { PROTOCOL_LIMITS, TOPIC_LIMITS } from "../node/p2p/limits.ts";
import { createCounters } from "../node/p2p/stats.ts";
import type { NodeStatus } from "../node/status.ts";
import { parseYaml, type Yaml } from "./helpers/yaml.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const guide = read("docs/operations.md");
const files = readdirSync(join(root, "ops")).map((name) => `ops/${name}`);
const texts = new Map(["docs/operations.md", "Dockerfile", ...files].map((path) => [path, read(path)]));
const dashboard = JSON.parse(read("ops/grafana-dashboard.json"));

const STATUS: NodeStatus = {
  headNumber: 12n,
  headTimestamp: 1_700_000_012n,
  indexedNumber: 11n,
  indexError: undefined,
  poolTransactions: 3,
  consensus: {
    mode: "validate",
    signingProblem: undefined,
    epoch: 0,
    viewInEpoch: 13,
    validatorIndex: 0,
    validators: 4,
    peers: 3,
    blocksCommitted: 12,
    transactionsCommitted: 0,
    sinceBlockMs: 400,
    notarizations: 12,
    nullifications: 1,
    finalizations: 12,
    votesCast: 24,
    evidence: 0,
    commitLatency: { p50Ms: 20, p99Ms: 40, count: 12 },
    roundsKept: 12,
    votesKept: 60,
  },
  quietMs: 15_000,
  sync: { isSyncing: false, head: 12n, target: 12n, blocksPerSecond: 0, etaSeconds: 0 },
  network: { ...createCounters(), peers: 3, banned: 0, bans: 0 },
  l1: { head: 90n, final: 26n, lagBlocks: 0n, safe: 11n, finalized: 8n, unpostedBytes: 4_096, problem: undefined },
  halted: undefined,
};

/** What a node with everything answers. */
let metrics: ReadonlySet<string>;
let ready: Record<string, unknown>;
beforeAll(async () => {
  const server = createMetricsServer(() => STATUS);
  const port = await listen(server, { address: "127.0.0.1", port: 0 }, "metrics");
  const answer = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
  metrics = new Set([...(await answer("/metrics")).matchAll(/^([a-z]\w*)[{ ]/gm)].map(([, name]) => name!));
  ready = JSON.parse(await answer("/ready"));
  await closeServer(server, 0);
});

const seriesIn = (text: string): string[] =>
  [...text.matchAll(/\b(?:openledger|process)_[a-z0-9_]+/g)].map(([name]) => name);

/** Cells of the rows below a table's head. */
function table(head: string): string[][] {
  const at = guide.indexOf(`\n${head}\n`);
  if (at === -1) throw new Error(`docs/operations.md has no table ${head}`);
  const rows = guide
    .slice(at + 1)
    .split("\n\n")[0]!
    .trimEnd()
    .split("\n")
    .slice(2);
  return rows.map((row) =>
    row
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim()),
  );
}

describe("metrics", () => {
  it("each series that is named anywhere exists", () => {
    for (const [path, text] of texts) {
      const unknown = seriesIn(text).filter((name) => !metrics.has(name));
      expect([path, unknown]).toEqual([path, []]);
    }
    expect(metrics.size).toBeGreaterThan(25);
  });

  it("the guide and the dashboard tell of every series", () => {
    const told = table("| series | meaning |").flatMap((cells) => seriesIn(cells.join()));
    expect(new Set(told)).toEqual(metrics);
    const shown = seriesIn(JSON.stringify(dashboard));
    expect([...metrics].filter((name) => !shown.includes(name) && !name.endsWith("_count"))).toEqual([]);
  });

  it("the guide tells of every field of /ready", () => {
    const told = table("| field | meaning |").flatMap(([cell]) => cell!.replaceAll("`", "").split(", "));
    expect(told.toSorted()).toEqual(Object.keys(ready).toSorted());
  });
});

describe("Grafana dashboard", () => {
  interface Panel {
    readonly id: number;
    readonly title: string;
    readonly type: string;
    readonly datasource?: { readonly uid: string };
    readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[];
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  }
  const panels = dashboard.panels as readonly Panel[];

  it("asks for its data source and for nodes", () => {
    const [source, node] = dashboard.templating.list;
    expect(source).toMatchObject({ name: "datasource", type: "datasource", query: "prometheus" });
    expect(node).toMatchObject({
      name: "instance",
      type: "query",
      datasource: { uid: ["$", "{datasource}"].join("") },
    });
    for (const { title, type, datasource, targets = [] } of panels) {
      if (type === "row") continue;
      expect([title, targets.length > 0]).toEqual([title, true]);
      for (const { uid } of [datasource, ...targets.map((target) => target.datasource)] as { uid: string }[]) {
        expect([title, uid]).toEqual([title, ["$", "{datasource}"].join("")]);
      }
      for (const { expr } of targets) expect(expr).toContain('instance=~"$instance"');
    }
  });

  it("has panels of their own id and place", () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const taken = new Map<string, string>();
    for (const { title, gridPos } of panels) {
      expect([title, gridPos.x + gridPos.w <= 24]).toEqual([title, true]);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect([title, taken.get(`${x} ${y}`)]).toEqual([title, undefined]);
          taken.set(`${x} ${y}`, title);
        }
      }
    }
  });
});

describe("Prometheus", () => {
  type Rule = Readonly<Record<string, Yaml>>;

  it("the example scrapes the node's own port, and loads the alerts", () => {
    const config = parseYaml(read("ops/prometheus.yml")) as Rule;
    expect(config.rule_files).toEqual(["alerts.yml"]);
    expect(config.scrape_configs).toEqual([
      { job_name: "openledger", static_configs: [{ targets: [`127.0.0.1:${OPTIONS["metrics.port"].default}`] }] },
    ]);
  });

  it("each alert has what whoever is woken needs", () => {
    const { groups } = parseYaml(read("ops/alerts.yml")) as { groups: readonly { rules: readonly Rule[] }[] };
    const rules = groups.flatMap((group) => group.rules);
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const rule of rules) {
      expect(rule).toMatchObject({
        alert: expect.stringMatching(/^OpenLedger[A-Z]\w+$/),
        expr: expect.stringMatching(/openledger/),
        labels: { severity: expect.stringMatching(/^(page|look)$/) },
        annotations: { summary: expect.any(String), description: expect.any(String) },
      });
    }
  });

  it("the reader of YAML refuses what it does not understand", () => {
    expect(parseYaml('a: 1\nb:\n  - c: "x: y"\n    d: >-\n      p\n      q\n  - c: z\n')).toEqual({
      a: 1,
      b: [{ c: "x: y", d: "p q" }, { c: "z" }],
    });
    for (const wrong of ["a: {}", "a: b: c", "a:\n", "a: yes", "a: 1\n  b: 2", "a: 1\na: 2", "a: b # c"]) {
      expect(() => parseYaml(wrong)).toThrow(SyntaxError);
    }
  });
});

describe("options and commands", () => {
  /** Flags of other programs that are shown. */
  const OTHERS = new Set(["help", "system", "home-dir", "shell", "now", "restart", "name", "stop-timeout"]);
  const dockerfileFlags = /^(FROM|RUN|COPY|HEALTHCHECK| ).*$/gm;

  it("each flag that is named exists", () => {
    for (const [path, text] of texts) {
      const ours = path === "Dockerfile" ? text.replaceAll(dockerfileFlags, "") : text;
      const flags = [...ours.matchAll(/(?<![\w-])--([a-z][a-z0-9.-]*[a-z0-9])/g)].map(([, flag]) => flag!);
      const unknown = flags.filter((flag) => !(flag in OPTIONS) && !OTHERS.has(flag));
      expect([path, unknown]).toEqual([path, []]);
    }
  });

  it("each command that is shown exists", () => {
    const known = ["version", ...COMMANDS.map(({ name }) => name)];
    const code = [...guide.matchAll(/```sh\n([^`]+)```|`([^`]+)`/g)].map(([, block, span]) => block ?? span);
    // Not the name of a user, a service, an image or a folder.
    const words = [...code.join("\n").matchAll(/(?<!\/opt\/)\bopenledger (?!openledger)([a-z]+(?: [a-z]+)*)/g)];
    for (const [, command] of words) {
      const [first, ...rest] = command!.split(" ");
      expect(known).toContain(first);
      if (first !== "validator" || rest.length === 0) continue;
      const action = rest.slice(0, rest[0] === "resume" ? 1 : 2).join(" ");
      expect(validatorCommand.description).toMatch(new RegExp(`^${action}\\b`, "m"));
    }
    expect(words.length).toBeGreaterThan(8);
  });

  it("the guide explains every option of a node once, with its default", () => {
    const rows = table("| option | default | meaning |").map(([name, fallback]) => [name, fallback]);
    const expected = nodeOptions.map((name: OptionName) => {
      const { default: fallback = "" }: OptionSpec = OPTIONS[name];
      const shown = name === "datadir" ? "~/.openledger/<network>" : fallback;
      return [`\`${name}\``, shown === "" ? "" : `\`${shown}\``];
    });
    expect(rows.toSorted()).toEqual(expected.toSorted());
  });

  it.each(["ops/openledger.example.json", "ops/openledger-full-node.example.json"])("%s is accepted", async (path) => {
    const values = readOptions(["--config", join(root, path)], {}, nodeOptions);
    const { p2p } = nodeConfig(values, "example", false);
    const { peerId } = await createIdentity();
    const hash = new Uint8Array(32);
    const key = (await createIdentity()).privateKey;
    const { announce, bootnodes, trusted, allow } = p2p!;
    const config = { chainId: 1n, genesisHash: hash, privateKey: key, announce, bootnodes };
    const parsed = parseConfig({ ...config, staticPeers: trusted, allowedPeers: allow }, peerId);
    expect(parsed.announce).toEqual(p2p!.announce);
    expect(values.validator).toBe(!path.includes("full-node"));
    expect(values.datadir).toBe("/var/lib/openledger");
  });

  it("the ports are those of the options", () => {
    const ports = table("| port | protocol | for | default address |").map(([port, , , address]) => [port, address]);
    const expected = (["p2p", "http", "graphql", "content", "host", "metrics"] as const).map((part) => [
      OPTIONS[`${part}.port`].default,
      OPTIONS[`${part}.addr`].default,
    ]);
    expect(ports).toEqual([...expected, [OPTIONS["l1.port"].default, "127.0.0.1"]]);
  });
});

describe("limits", () => {
  const count = (value: number): string => value.toLocaleString("en-US");
  const bytes = (value: number): string => {
    if (value < 1_024) return `${value} B`;
    return value < 1_024 ** 2 ? `${value / 1_024} KiB` : `${value / 1_024 ** 2} MiB`;
  };

  it("of gossip and of requests are those of node/p2p/limits.ts", () => {
    expect(table("| topic | largest message | messages a second | at once | in work |")).toEqual(
      Object.entries(TOPIC_LIMITS).map(([topic, { maxBytes, rate, inFlight }]) => [
        `\`${topic}\``,
        bytes(maxBytes),
        ...[rate.perSecond, rate.burst, inFlight].map(count),
      ]),
    );
    const head = "| protocol | largest answer | chunks | time | a second | at once | all a second | all at once |";
    expect(table(head)).toEqual(
      Object.entries(PROTOCOL_LIMITS).map(([protocol, { totalBytes, chunks, timeMs, peer, all }]) => [
        `\`${protocol}\``,
        bytes(totalBytes),
        count(chunks),
        `${timeMs / 1_000} s`,
        ...[peer.perSecond, peer.burst, all.perSecond, all.burst].map(count),
      ]),
    );
  });

  const UNITS = { "": 1, KiB: 1_024, MiB: 1_024 ** 2, GiB: 1_024 ** 3, s: 1_000, min: 60_000, h: 3_600_000 };

  it.each(table("| what | limit | where |"))("%s: %s", async (_, limit, where) => {
    const [, value, unit] = /^([\d,]+) ?(\w*)$/.exec(limit!)!;
    const [, constant, ...path] = /^`(\w+)(?:\.(\w+))?(?:\.(\w+))?` in/.exec(where!)!;
    const file = /in `(\S+)`$/.exec(where!)![1]!;
    const expected = Number(value!.replaceAll(",", "")) * UNITS[unit as keyof typeof UNITS];
    // Most are nobody else's business, so that they cannot be imported.
    const product = new RegExp(`^(?:export )?const ${constant} = ([\\d_* .]+);`, "m").exec(read(file))?.[1];
    const found =
      product === undefined
        ? path
            .filter(Boolean)
            .reduce((object, key) => object[key!], (await import(pathToFileURL(join(root, file)).href))[constant!])
        : product.split("*").reduce((all, factor) => all * Number(factor.replaceAll("_", "")), 1);
    expect(Number(found)).toBe(expected);
  });
});

describe("service and image", () => {
  it("systemd starts again only what a restart can mend", () => {
    const unit = read("ops/openledger.service");
    expect(unit).toMatch(new RegExp(`^RestartPreventExitStatus=${EXIT.usage} ${EXIT.locked}$`, "m"));
    expect(unit).toMatch(/^Restart=on-failure$/m);
    for (const code of Object.values(EXIT)) expect(guide).toMatch(new RegExp(`^\\| ${code} \\|`, "m"));
  });

  /** Files that the program consists of, from its entry on. */
  function program(): ReadonlySet<string> {
    const found = new Set<string>(["node/main.ts"]);
    for (const file of found) {
      if (!file.endsWith(".ts")) continue;
      const imports = read(file).matchAll(/^(?!import type).*?(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+)"/gm);
      for (const [, target] of imports) found.add(normalize(join(dirname(file), target!)));
    }
    return found;
  }

  it("the image has every file of the program, and no tests", () => {
    const [first, ...rules] = read(".dockerignore")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"));
    expect(first).toBe("*");
    const allowed = rules.flatMap((rule) => (rule.startsWith("!") ? [rule.slice(1)] : []));
    const files = [...program()];
    expect(files.length).toBeGreaterThan(150);
    expect(files.filter((file) => !allowed.some((path) => file === path || file.startsWith(`${path}/`)))).toEqual([]);
    expect(rules.filter((rule) => !rule.startsWith("!"))).toEqual(["**/*.test.ts", "**/testing"]);
    expect(files.filter((file) => /\.test\.ts$|\/testing\//.test(file))).toEqual([]);
  });

  it("the image asks for health where the node serves it, and publishes the port for peers only", () => {
    const dockerfile = read("Dockerfile");
    expect(dockerfile).toContain(`http://127.0.0.1:${OPTIONS["metrics.port"].default}/health`);
    expect(dockerfile.match(/^EXPOSE .*$/gm)).toEqual([`EXPOSE ${OPTIONS["p2p.port"].default}`]);
    expect(dockerfile).toMatch(/^USER openledger$/m);
    expect(dockerfile.match(/^FROM \S+:\S+/gm)).toHaveLength(2);
  });
});
