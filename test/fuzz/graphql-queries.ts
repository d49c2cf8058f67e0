/** Queries out of a schema: valid ones of every shape, and ones that are broken in every way. */
import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLInputType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isListType,
  isNonNullType,
  isObjectType,
  isRequiredArgument,
} from "graphql/index.js";
import type { Random } from "../sim/random.ts";

/** What values of the synthetic chain look like. */
export interface Vocabulary {
  readonly addresses: readonly string[];
  readonly hashes: readonly string[];
  /** Of lineage nodes, such as "model:3". */
  readonly nodes: readonly string[];
  readonly words: readonly string[];
  /** Ids are 1 to this. */
  readonly ids: number;
  readonly head: () => number;
}

export interface Query {
  readonly query: string;
  readonly variables: Record<string, unknown>;
}

interface Shape {
  /** Levels that fields may still go down. */
  readonly depth: number;
  /** Fields that may still be written. */
  budget: number;
  /** Of a field, to be asked for at all. */
  readonly density: number;
  /** Of an optional argument, to be given. */
  readonly arguments: number;
  /** Values that the schema or a resolver refuses. */
  readonly nonsense: number;
  readonly variables: Map<string, { readonly type: string; readonly value: unknown }>;
  readonly fragments: string[];
}

const HUGE = [-1, 0, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), 2 ** 53, 1e300];
const AMOUNTS = ["0", "1", "1000000000000000", String(2n ** 256n - 1n)];
const NUMBERS = ["0", "1", "00", "-1", "1e5", "9".repeat(78), "9".repeat(79), "9".repeat(5_000), "0x10", " 1", ""];

export class QueryMaker {
  readonly #schema: GraphQLSchema;
  readonly #random: Random;
  readonly #words: Vocabulary;

  constructor(schema: GraphQLSchema, random: Random, words: Vocabulary) {
    this.#schema = schema;
    this.#random = random;
    this.#words = words;
  }

  /** Mostly of what the schema knows. `nonsense`: how often a value is one that is to be refused. */
  valid(nonsense = 0.02): Query {
    const random = this.#random;
    const shape: Shape = {
      depth: random.pick([2, 3, 4, 6, 10, 14]),
      budget: random.pick([5, 15, 40, 200]),
      density: random.pick([0.1, 0.3, 0.7]),
      arguments: random.pick([0.05, 0.2, 0.5]),
      nonsense,
      variables: new Map(),
      fragments: [],
    };
    const root = this.#schema.getQueryType() as GraphQLObjectType;
    const roots = Array.from({ length: random.pick([1, 1, 1, 2, 5]) }, (_, i) =>
      this.#field(random.pick(Object.values(root.getFields())), shape, shape.depth, `r${i}: `),
    );
    return this.#document(`{ ${roots.join(" ")} }`, shape);
  }

  /** The same field many times over, or one field within the other as far as it goes. */
  large(): Query {
    const random = this.#random;
    const shape: Shape = {
      depth: 16,
      budget: 2_000,
      density: 0.9,
      arguments: 0.2,
      nonsense: 0,
      variables: new Map(),
      fragments: [],
    };
    const root = this.#schema.getQueryType() as GraphQLObjectType;
    const field = random.pick(Object.values(root.getFields()));
    switch (random.below(4)) {
      case 0: {
        const aliases = Array.from({ length: random.between(20, 120) }, (_, i) => `a${i}: _meta { schemaVersion }`);
        return { query: `{ ${aliases.join(" ")} }`, variables: {} };
      }
      case 1: {
        const levels = random.between(5, 400);
        return { query: `{ model(id: 1) { ${"parent { ".repeat(levels)}id${" }".repeat(levels)} } }`, variables: {} };
      }
      case 2: {
        const first = random.pick([10, 100, 1_000]);
        const list = (inner: string) => `contributions(first: ${first}) { nodes { id ${inner} } }`;
        return {
          query: `{ datanets(first: ${first}) { nodes { ${list(`datanet { ${list("uri")} }`)} } } }`,
          variables: {},
        };
      }
      default:
        return this.#document(`{ ${this.#field(field, shape, shape.depth)} }`, shape);
    }
  }

  /** Over the graph, with every bound. */
  lineage(): Query {
    const random = this.#random;
    const of = () => JSON.stringify(random.pick(this.#words.nodes));
    const bounds = `maxDepth: ${random.pick([1, 3, 16, 64])}, maxNodes: ${random.pick([1, 50, 500, 2_000])}`;
    const graph = "nodes { id depth } edges { from to kind weightPpm } truncated";
    const direction = random.pick(["UPSTREAM", "DOWNSTREAM"]);
    const roots = [
      `lineage(of: ${of()}, direction: ${direction}, ${bounds}) { ${graph} }`,
      `lineagePath(from: ${of()}, to: ${of()}, ${bounds}) { ${graph} }`,
      `impact(of: ${of()}, ${bounds}) { __typename }`,
    ];
    return { query: `{ ${random.pick(roots)} }`, variables: {} };
  }

  /** A document that was whole before something happened to it. */
  broken(): Query {
    const random = this.#random;
    const { query, variables } = this.valid(0.3);
    const at = random.below(query.length + 1);
    const to = Math.min(query.length, at + random.between(1, 20));
    const junk = random.pick([
      ...'{}()[]:!$@"#&|=.,',
      "...",
      '"""',
      "\u0000",
      "\ud800",
      "😀",
      "on",
      "null",
      "1e999",
      "-",
      "\\u{",
    ]);
    const changed = random.pick([
      () => query.slice(0, at),
      () => query.slice(0, at) + query.slice(to),
      () => query.slice(0, at) + junk + query.slice(at),
      () => query.slice(0, at) + junk.repeat(random.between(1, 300)) + query.slice(to),
      () => query.replaceAll(random.pick(["{", "}", "(", ")", ":"]), junk),
      () => random.pick(CRAFTED),
    ])();
    return { query: changed, variables: random.chance(0.2) ? { $x: junk } : variables };
  }

  subscription(): Query {
    const root = this.#schema.getSubscriptionType() as GraphQLObjectType;
    const field = this.#random.pick(Object.values(root.getFields()));
    const shape: Shape = {
      depth: 2,
      budget: 10,
      density: 0.3,
      arguments: 0,
      nonsense: 0,
      variables: new Map(),
      fragments: [],
    };
    return this.#document(`{ ${this.#field(field, shape, 2)} }`, shape, "subscription");
  }

  #document(selection: string, { variables, fragments }: Shape, operation = "query"): Query {
    const declared = [...variables].map(([name, { type }]) => `$${name}: ${type}`).join(", ");
    const head = declared === "" ? `${operation} ` : `${operation} Fuzz(${declared}) `;
    return {
      query: [head + selection, ...fragments].join("\n"),
      variables: Object.fromEntries([...variables].map(([name, { value }]) => [name, value])),
    };
  }

  #field(field: GraphQLField<unknown, unknown>, shape: Shape, depth: number, alias = ""): string {
    const random = this.#random;
    shape.budget -= 1;
    const given = this.#given(field, shape);
    const args = given.map((arg) => `${arg.name}: ${this.#argument(arg, shape)}`).join(", ");
    const directive = random.chance(0.02) ? ` @${random.pick(["skip", "include"])}(if: ${random.chance(0.5)})` : "";
    const head = `${alias}${field.name}${args === "" ? "" : `(${args})`}${directive}`;
    const type = getNamedType(field.type);
    if (!isCompositeType(type)) return head;
    return `${head} { ${this.#selection(type.name, shape, depth - 1)} }`;
  }

  /** Those that a resolver takes together, mostly. */
  #given({ args }: GraphQLField<unknown, unknown>, { arguments: probability, nonsense }: Shape): GraphQLArgument[] {
    const random = this.#random;
    const names = new Set(args.map(({ name }) => name));
    return args.filter((arg) => {
      if (isRequiredArgument(arg) || random.chance(nonsense / 10)) return true;
      // A cursor is one that an answer has given, and a list is read from one end.
      if (["after", "before", "last"].includes(arg.name)) return random.chance(0.02);
      // lineage is of one thing.
      if (arg.name === "of" && names.has("output")) return true;
      return arg.name !== "output" && random.chance(probability);
    });
  }

  #selection(typeName: string, shape: Shape, depth: number): string {
    const random = this.#random;
    const type = this.#schema.getType(typeName);
    if (isAbstractType(type)) {
      const possible = random.pick(this.#schema.getPossibleTypes(type));
      const shared = isInterfaceType(type) && random.chance(0.5) ? this.#fieldsOf(type.getFields(), shape, 0) : "";
      if (shape.budget <= 0 || depth <= 0) return "__typename";
      return `__typename ${shared} ... on ${possible.name} { ${this.#selection(possible.name, shape, depth)} }`;
    }
    if (!isObjectType(type)) return "__typename";
    const fields = this.#fieldsOf(type.getFields(), shape, depth);
    if (fields === "") return "__typename";
    if (!random.chance(0.03)) return fields;
    const name = `F${shape.fragments.length}`;
    shape.fragments.push(`fragment ${name} on ${type.name} { ${fields} }`);
    return `...${name}`;
  }

  #fieldsOf(all: Readonly<Record<string, GraphQLField<unknown, unknown>>>, shape: Shape, depth: number): string {
    const random = this.#random;
    const written: string[] = [];
    for (const field of random.shuffled(Object.values(all))) {
      if (shape.budget <= 0 || !random.chance(shape.density)) continue;
      const isLeaf = !isCompositeType(getNamedType(field.type));
      // Nothing within says nothing: an object's fields are asked for as far as the depth goes.
      if (isLeaf || depth > 0)
        written.push(
          this.#field(field, shape, depth, `${field.name}_${written.length}: `.repeat(random.below(8) === 0 ? 1 : 0)),
        );
    }
    return written.join(" ");
  }

  #argument(arg: GraphQLArgument | GraphQLInputField, shape: Shape): string {
    const random = this.#random;
    const value = this.#value(arg.type, arg.name, shape);
    if (!random.chance(0.1) || shape.variables.size >= 20) return literal(value);
    const name = `v${shape.variables.size}`;
    shape.variables.set(name, { type: String(arg.type), value: plain(value) });
    return `$${name}`;
  }

  #value(type: GraphQLInputType, name: string, shape: Shape): unknown {
    const random = this.#random;
    if (isNonNullType(type)) return this.#value(type.ofType, name, shape);
    if (random.chance(shape.nonsense)) {
      return random.pick([
        null,
        true,
        "x".repeat(random.below(300)),
        [],
        [[[1]]],
        { a: 1 },
        random.pick(HUGE),
        random.pick(NUMBERS),
      ]);
    }
    if (isListType(type)) {
      return Array.from({ length: random.pick([0, 1, 2, 5, 30]) }, () => this.#value(type.ofType, name, shape));
    }
    if (isEnumType(type)) return new Enum(random.pick(type.getValues()).name);
    if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields());
      const chosen = type.isOneOf ? [random.pick(fields)] : random.shuffled(fields).slice(0, random.below(3));
      return Object.fromEntries(chosen.map((field) => [field.name, this.#value(field.type, field.name, shape)]));
    }
    return this.#scalar(getNamedType(type).name, name);
  }

  #scalar(type: string, name: string): unknown {
    const random = this.#random;
    const { addresses, hashes, nodes, words, ids, head } = this.#words;
    switch (type) {
      case "Int":
        return random.chance(0.9) ? random.pick([1, 2, 3, 5, 10, 20]) : random.pick([100, 1_000]);
      case "Boolean":
        return random.chance(0.5);
      case "Address":
        return random.pick(addresses);
      case "Bytes":
        return random.pick(hashes);
      case "Timestamp":
        return 1_700_000_000 + random.below(1_000);
      case "BigInt":
        return String(
          name.startsWith("number") || name.startsWith("block") ? random.below(head() + 2) : random.pick(AMOUNTS),
        );
      case "ID":
        return ["of", "from", "to", "ids"].includes(name) || random.chance(0.05)
          ? random.pick(nodes)
          : String(random.between(1, ids));
      default:
        return random.chance(0.7) ? random.pick(words) : Buffer.from(random.pick(nodes)).toString("base64url");
    }
  }
}

/** Written without quotes. */
class Enum {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

function literal(value: unknown): string {
  if (value instanceof Enum) return value.name;
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    return `{${Object.entries(value)
      .map(([name, inner]) => `${name}: ${literal(inner)}`)
      .join(", ")}}`;
  }
  return JSON.stringify(value);
}

/** As a variable's value. */
function plain(value: unknown): unknown {
  if (value instanceof Enum) return value.name;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
}

/** Known ways to hurt a GraphQL server. */
const CRAFTED: readonly string[] = [
  "",
  "{",
  "{}",
  "query",
  "{ __typename ".repeat(500),
  "[".repeat(1_000),
  `{ datanets(where: ${"{a:".repeat(400)}`,
  `{ datanets(after: "${"\\u0000".repeat(2_000)}") { totalCount } }`,
  `{ contributor(address: "${"f".repeat(10_000)}") { address } }`,
  `{ search(text: "${"a ".repeat(5_000)}") { __typename } }`,
  `query (${Array.from({ length: 300 }, (_, i) => `$v${i}: Int`).join(" ")}) { __typename }`,
  `query ${"x".repeat(30_000)} { __typename }`,
  `{ __typename ${"@skip(if: false) ".repeat(300)} }`,
  `{ ${"_meta { schemaVersion } ".repeat(400)} }`,
  "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
  "{ ...A } fragment A on Query { ...A __typename }",
  `{ ...F0 } ${Array.from({ length: 60 }, (_, i) => `fragment F${i} on Query { ${`...F${i + 1} `.repeat(4)} }`).join(" ")} fragment F60 on Query { __typename }`,
  "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } }",
  "query A { __typename } query A { __typename }",
  "query A { __typename } query B { __typename }",
  "mutation { __typename }",
  "subscription { __typename }",
  "subscription { head { number } a: head { number } }",
  "fragment A on Query { __typename }",
  "type Query { a: Int } { __typename }",
  '{ node(id: "__proto__") { id } constructor toString }',
  '{ __type(name: "constructor") { name } }',
  '"""" { __typename }',
  "{ a: __typename a: _meta { schemaVersion } }",
];
