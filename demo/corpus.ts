/** Real text with a known author and licence: READMEs, documentation and licences of the packages that npm installed. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";

export interface SourceText {
  readonly title: string;
  readonly author: string;
  /** SPDX identifier of package.json; undefined when it states none, or none that grants anything. */
  readonly licence: string | undefined;
  readonly bytes: Uint8Array;
}

const MINIMUM_BYTES = 800;
const MAXIMUM_BYTES = 48 * 1024;

interface PackageJson {
  readonly name?: string;
  readonly author?: string | { readonly name?: string };
  readonly maintainers?: readonly (string | { readonly name?: string })[];
  readonly contributors?: readonly (string | { readonly name?: string })[];
  readonly license?: string;
}

/** "Ann Other <ann@example.org> (https://...)" is Ann Other. */
function authorOf(json: PackageJson): string | undefined {
  const first = json.author ?? json.maintainers?.[0] ?? json.contributors?.[0];
  const name = typeof first === "string" ? first : first?.name;
  return name?.replace(/\s*[<(].*$/s, "").trim() || undefined;
}

/** The first alternative of an SPDX "OR" expression; UNLICENSED grants nothing. */
function licenceOf(json: PackageJson): string | undefined {
  const first = json.license?.replaceAll(/[()]/g, "").split(" OR ")[0]?.trim();
  return first === undefined || first === "UNLICENSED" || first.startsWith("SEE ") ? undefined : first;
}

function textsIn(folder: string, depth: number): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return depth > 0 && /^docs?$/i.test(entry.name) ? textsIn(path, depth - 1) : [];
    return /^(readme.*|licen[cs]e.*|.*\.md)$/i.test(entry.name) && !/changelog|history/i.test(entry.name) ? [path] : [];
  });
}

function packageFolders(modules: string): string[] {
  return readdirSync(modules)
    .filter((name) => !name.startsWith("."))
    .sort()
    .flatMap((name) =>
      name.startsWith("@")
        ? readdirSync(join(modules, name))
            .sort()
            .map((inner) => join(modules, name, inner))
        : [join(modules, name)],
    )
    .filter((folder) => existsSync(join(folder, "package.json")));
}

function textsOfPackage(folder: string): SourceText[] {
  const json = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as PackageJson;
  const author = authorOf(json);
  if (author === undefined || json.name === undefined) return [];
  return textsIn(folder, 1)
    .sort()
    .filter((file) => statSync(file).size >= MINIMUM_BYTES && statSync(file).size <= MAXIMUM_BYTES)
    .map((file) => ({
      title: `${json.name}/${basename(file)}`,
      author,
      licence: licenceOf(json),
      bytes: new Uint8Array(readFileSync(file)),
    }));
}

/**
 * At most `perAuthor` distinct texts of each author and `limit` in all, plus every one of `projectRoot` itself, which
 * states no licence. Deterministic for one installation.
 */
export function collectTexts(projectRoot: string, limit: number, perAuthor: number): SourceText[] {
  const seen = new Set<string>();
  const counts = new Map<string, number>();
  const licensed = packageFolders(join(projectRoot, "node_modules"))
    .flatMap(textsOfPackage)
    .filter((text) => {
      const body = Buffer.from(text.bytes).toString("latin1");
      const count = counts.get(text.author) ?? 0;
      if (text.licence === undefined || seen.has(body) || count >= perAuthor) return false;
      seen.add(body);
      counts.set(text.author, count + 1);
      return true;
    })
    .slice(0, limit);
  const own: SourceText = {
    title: "openledger/README.md",
    author: "OpenLedger",
    licence: licenceOf(JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8")) as PackageJson),
    bytes: new Uint8Array(readFileSync(join(projectRoot, "README.md"))),
  };
  return [...licensed, own];
}
