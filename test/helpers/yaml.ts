/**
 * The part of YAML that our own files use: maps, lists, plain and double-quoted scalars, folded blocks (`>-`), comments
 * on lines of their own. Everything else is refused, so that a file which other readers take differently fails here.
 */
export type Yaml = string | number | readonly Yaml[] | { readonly [key: string]: Yaml };

interface Line {
  readonly indent: number;
  readonly text: string;
  readonly number: number;
}

/** Throws SyntaxError that names the line. */
export function parseYaml(source: string): Yaml {
  const lines = source.split("\n").flatMap((line, index): Line[] => {
    const text = line.trimStart();
    return text === "" || text.startsWith("#") ? [] : [{ indent: line.length - text.length, text, number: index + 1 }];
  });
  const reader = new YamlReader(lines);
  const value = reader.block(0);
  reader.end();
  return value;
}

class YamlReader {
  readonly #lines: Line[];

  constructor(lines: Line[]) {
    this.#lines = lines;
  }

  end(): void {
    const [line] = this.#lines;
    if (line !== undefined) throw problem(line, "its indentation fits nothing before it");
  }

  block(indent: number): Yaml {
    const [line] = this.#lines;
    if (line === undefined || line.indent !== indent)
      throw problem(line, `a block of indentation ${indent} is missing`);
    return line.text.startsWith("- ") ? this.#list(indent) : this.#map(indent);
  }

  #list(indent: number): readonly Yaml[] {
    const items: Yaml[] = [];
    for (let line = this.#lines[0]; line?.indent === indent && line.text.startsWith("- "); line = this.#lines[0]) {
      const text = line.text.slice(2);
      if (/^[\w.]+:( |$)/.test(text)) {
        // A map whose first key stands behind the dash.
        this.#lines[0] = { ...line, indent: indent + 2, text };
        items.push(this.#map(indent + 2));
      } else {
        this.#lines.shift();
        items.push(scalar(line, text));
      }
    }
    return items;
  }

  #map(indent: number): Yaml {
    const map: Record<string, Yaml> = {};
    for (let line = this.#lines[0]; line?.indent === indent; line = this.#lines[0]) {
      const match = /^([\w.]+):(?: (.*))?$/.exec(line.text);
      if (match === null) throw problem(line, "it is no key with a value");
      const [, key, text] = match as unknown as [string, string, string | undefined];
      if (key in map) throw problem(line, `${key} is there twice`);
      this.#lines.shift();
      map[key] = text === ">-" ? this.#folded(indent) : text === undefined ? this.#nested(line) : scalar(line, text);
    }
    return map;
  }

  #nested(parent: Line): Yaml {
    const [line] = this.#lines;
    if (line === undefined || line.indent <= parent.indent) throw problem(parent, "it has no value");
    return this.block(line.indent);
  }

  #folded(indent: number): string {
    const words: string[] = [];
    while (this.#lines[0] !== undefined && this.#lines[0].indent > indent) words.push(this.#lines.shift()!.text);
    return words.join(" ");
  }
}

function scalar(line: Line, text: string): string | number {
  if (text.startsWith('"')) return JSON.parse(text);
  // What these begin or contain means something else to YAML.
  if (/^[[\]{},&*!|>%@`'"?-]|: | #|:$/.test(text)) throw problem(line, `${text} has to be quoted`);
  if (/^(true|false|yes|no|on|off|null|~)$/i.test(text)) throw problem(line, `${text} is no text`);
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

function problem(line: Line | undefined, what: string): SyntaxError {
  return new SyntaxError(line === undefined ? `at the end: ${what}` : `line ${line.number}, ${line.text}: ${what}`);
}
