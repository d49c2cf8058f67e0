import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nodeConfig, readOptions } from "./config.ts";
import { UsageError } from "./errors.ts";
import { OPTIONS, type OptionName } from "./options.ts";

const all = Object.keys(OPTIONS) as OptionName[];
const read = (args: readonly string[], environment: Record<string, string> = {}) => readOptions(args, environment, all);

function problemsOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message;
  }
  throw new Error("nothing was refused");
}

function configFile(content: unknown): string {
  const file = join(mkdtempSync(join(tmpdir(), "openledger-config-")), "openledger.json");
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
}

describe("options", () => {
  it("file < environment < flags", () => {
    const config = configFile({ "http.port": 1, "graphql.port": 1, "metrics.port": 1 });
    const values = read(["--config", config, "--http.port=3"], {
      OPENLEDGER_HTTP_PORT: "2",
      OPENLEDGER_GRAPHQL_PORT: "2",
    });
    expect([values["http.port"], values["graphql.port"], values["metrics.port"]]).toEqual([3, 2, 1]);
  });

  it("takes geth's single dash, =value, bare and explicit booleans", () => {
    const values = read(["-http.port", "9", "--fresh", "--graphql=false"]);
    expect([values["http.port"], values.fresh, values.graphql]).toEqual([9, true, false]);
    expect(nodeConfig(values, "devnet", true).graphql).toBeUndefined();
  });

  it("names every problem at once, with the nearest known word", () => {
    const config = configFile({ "htp.port": 1, "http.port": {} });
    const environment = { OPENLEDGER_HTTP_PROT: "1" };
    const text = problemsOf(() =>
      read(
        ["--config", config, "--grahpql.port", "1", "--metrics.port", "70000", "--log.level", "loud", "stray"],
        environment,
      ),
    );
    expect(text).toMatch(/--grahpql\.port; did you mean --graphql\.port\?/);
    expect(text).toMatch(/--metrics\.port "70000" is not a port/);
    expect(text).toMatch(/--log\.level "loud" is not one of trace/);
    expect(text).toMatch(/unexpected argument "stray"/);
    expect(text).toMatch(/OPENLEDGER_HTTP_PROT; did you mean OPENLEDGER_HTTP_PORT\?/);
    expect(text).toMatch(/unknown option "htp\.port"; did you mean http\.port\?/);
    expect(text).toMatch(/http\.port must be a text, number/);
  });

  it.each([
    [["--http.port"], /needs a value/],
    [["--http.port", "1", "--http.port", "2"], /given twice/],
    [["--block.interval", "1e3"], /not an integer from 50 to 60000/],
    [["--fresh=maybe"], /not true or false/],
    [["--http.addr", "a b"], /not an address/],
    [["--datadir", ""], /not a path/],
  ] as const)("refuses %j", (args, expected) => {
    expect(problemsOf(() => read(args))).toMatch(expected);
  });

  it("refuses a configuration file that is absent, no JSON or no object", () => {
    expect(problemsOf(() => read(["--config", "/nonexistent/openledger.json"]))).toMatch(/cannot be read/);
    expect(problemsOf(() => read(["--config", configFile("{")]))).toMatch(/cannot be read/);
    expect(problemsOf(() => read(["--config", configFile([])]))).toMatch(/must hold a JSON object/);
  });

  it("any arguments give values or a usage error", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.constantFrom("--http.port", "--", "-", "--=x", "--fresh"))),
        (args) => {
          try {
            read(args.filter((arg) => !arg.includes("config")));
          } catch (error) {
            expect(error).toBeInstanceOf(UsageError);
          }
        },
      ),
    );
  });
});
