/**
 * Loads a world whose code has been broken on purpose: the sources are patched as they are loaded, so that what runs is
 * the real code but for the patch. A patch whose original text is not there exactly once fails, so it cannot outlive
 * the code that it was written for.
 */
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import type { Mutant } from "./mutants.ts";

const ROOT = new URL("../../", import.meta.url);
/** Modules of these folders exist once for each mutant; all others are shared. */
const FOLDERS = ["consensus/", "node/", "test/sim/", "core/bls.ts"];

const loaded = new Map<string, Mutant>();
let isHooked = false;

function hook(): void {
  if (isHooked) return;
  isHooked = true;
  registerHooks({
    resolve(specifier, context, next) {
      const result = next(specifier, context);
      const name = context.parentURL === undefined ? null : new URL(context.parentURL).searchParams.get("mutant");
      const url = new URL(result.url);
      if (name === null || !isOurs(url)) return result;
      url.searchParams.set("mutant", name);
      return { ...result, url: url.href };
    },
    load(href, context, next) {
      const url = new URL(href);
      const mutant = loaded.get(url.searchParams.get("mutant") ?? "");
      if (mutant === undefined) return next(href, context);
      url.search = "";
      return { format: "module-typescript", source: patched(url, mutant), shortCircuit: true };
    },
  });
}

const isOurs = (url: URL): boolean => FOLDERS.some((folder) => url.href.startsWith(new URL(folder, ROOT).href));

function patched(url: URL, { name, patches }: Mutant): string {
  let source = readFileSync(fileURLToPath(url), "utf8");
  for (const { file, from, to } of patches) {
    if (new URL(file, ROOT).href !== url.href) continue;
    const parts = source.split(from);
    if (parts.length !== 2) {
      throw new Error(`mutant ${name}: ${file} has ${parts.length - 1} times what it patches: ${from}`);
    }
    source = parts.join(to);
  }
  return source;
}

/** A module of this folder, or one of `core/`, as the mutant has it. */
export async function loadMutated<T>(mutant: Mutant, file: string): Promise<T> {
  hook();
  loaded.set(mutant.name, mutant);
  const url = new URL(file, ROOT);
  url.searchParams.set("mutant", mutant.name);
  return (await import(url.href)) as T;
}
