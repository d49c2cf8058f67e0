/** Compiles a contract with solc from npm; it and its imports are found in this repository and in node_modules. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { Abi, Hex } from "viem";

const root = fileURLToPath(new URL("../..", import.meta.url));
const solc = createRequire(import.meta.url)("solc") as {
  version(): string;
  compile(input: string, callbacks: { import: (path: string) => { contents: string } | { error: string } }): string;
};

interface Code {
  readonly object: string;
}

export interface CompiledContract {
  readonly abi: Abi;
  readonly bytecode: Hex;
  readonly deployedBytecode: Hex;
}

/** solc's, as its JSON input has them. */
export interface CompilerSettings {
  readonly evmVersion: string;
  readonly optimizer: { readonly enabled: boolean; readonly runs: number };
  readonly viaIR?: boolean;
}

export const COMPILER_VERSION: string = solc.version();
export const COMPILER_SETTINGS: Readonly<CompilerSettings> = {
  evmVersion: "prague",
  optimizer: { enabled: true, runs: 200 },
};

function findImport(path: string): { contents: string } | { error: string } {
  for (const base of [root, `${root}node_modules/`]) {
    try {
      return { contents: readFileSync(base + path, "utf8") };
    } catch {
      // the next place
    }
  }
  return { error: `${path} not found` };
}

/**
 * `file` is relative to the repository or to node_modules, e.g. "contracts/examples/Token.sol". `metadata` "none" leaves out the hash of
 * sources and settings that solc appends: the code then changes only with what it does. Throws with solc's messages.
 */
export function compileSolidity(
  file: string,
  contract: string,
  metadata: "ipfs" | "none" = "ipfs",
  settings = COMPILER_SETTINGS,
): CompiledContract {
  const source = findImport(file);
  if ("error" in source) throw new Error(source.error);
  const input = {
    language: "Solidity",
    sources: { [file]: { content: source.contents } },
    settings: {
      ...settings,
      metadata: { bytecodeHash: metadata, appendCBOR: metadata !== "none" },
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
    },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: findImport })) as {
    errors?: { severity: string; formattedMessage: string }[];
    contracts: Record<string, Record<string, { abi: Abi; evm: Record<"bytecode" | "deployedBytecode", Code> }>>;
  };
  const errors = (output.errors ?? []).filter((error) => error.severity === "error");
  if (errors.length > 0) throw new Error(errors.map((error) => error.formattedMessage).join("\n"));
  const compiled = output.contracts[file]?.[contract];
  if (compiled === undefined) throw new Error(`${file} has no contract ${contract}`);
  const { bytecode, deployedBytecode } = compiled.evm;
  return { abi: compiled.abi, bytecode: `0x${bytecode.object}`, deployedBytecode: `0x${deployedBytecode.object}` };
}
