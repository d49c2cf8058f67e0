/**
 * Writes the types of GraphQL answers from the documents that are sent and the committed schema: for the client
 * (client/answers.d.ts, and client/integers.js with the fields that it turns into bigints) and for the exports
 * (indexer/exports/answers.ts, where such integers stay decimal strings). `biome format --write` gives them their form.
 */
import { readFileSync, writeFileSync } from "node:fs";
import {
  buildSchema,
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLNamedType,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  isCompositeType,
  isEnumType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  parse,
  type SelectionNode,
  type SelectionSetNode,
  validate,
} from "graphql/index.js";
import { documents } from "../client/documents.js";
import { exportDocuments } from "../indexer/exports/documents.ts";

const SCALARS: Readonly<Record<string, string>> = {
  ID: "string",
  String: "string",
  Int: "number",
  Float: "number",
  Boolean: "boolean",
  Bytes: "Hex",
  Address: "Hex",
  Timestamp: "number",
};

export interface AnswerTypes {
  /** Declarations: a type for each fragment and each operation. */
  readonly types: string;
  /** Fields that are a BigInt wherever they occur. */
  readonly integers: readonly string[];
}

/** Throws where a document is invalid, or where a field's name is a BigInt in one place and something else in another. */
export function answerTypes(
  schema: GraphQLSchema,
  sources: Readonly<Record<string, string>>,
  bigInt: "bigint" | "string",
): AnswerTypes {
  const scalars = { ...SCALARS, BigInt: bigInt };
  const parsed = Object.entries(sources).map(([name, source]): [string, DocumentNode] => {
    const document = parse(source);
    const [error] = validate(schema, document);
    if (error !== undefined) throw new Error(`document ${name}: ${error.message}`);
    return [name, document];
  });
  const definitions = parsed.flatMap(([, document]) => document.definitions);
  const fragments = new Map<string, FragmentDefinitionNode>();
  const operations: OperationDefinitionNode[] = [];
  for (const node of definitions) {
    if (node.kind === Kind.FRAGMENT_DEFINITION) fragments.set(node.name.value, node);
    else if (node.kind === Kind.OPERATION_DEFINITION) operations.push(node);
  }
  const enums = new Map<string, string>();
  /** By response name: the scalar that stands there. */
  const scalarOf = new Map<string, string>();

  function typeOf(type: GraphQLOutputType, field: { name: string; set: SelectionSetNode | undefined }): string {
    if (isNonNullType(type)) return bare(type.ofType as GraphQLOutputType, field);
    return `${bare(type, field)} | null`;
  }

  function bare(type: GraphQLOutputType, field: { name: string; set: SelectionSetNode | undefined }): string {
    if (isListType(type)) return `readonly (${typeOf(type.ofType as GraphQLOutputType, field)})[]`;
    const named = getNamedType(type);
    if (field.set !== undefined) return objectOf(field.set, named);
    note(field.name, named);
    if (!isEnumType(named))
      return scalars[named.name as keyof typeof scalars] ?? fail(`scalar ${named.name} is unknown here`);
    enums.set(
      named.name,
      named
        .getValues()
        .map(({ name }) => JSON.stringify(name))
        .join(" | "),
    );
    return named.name;
  }

  function note(name: string, { name: scalar }: GraphQLNamedType): void {
    const known = scalarOf.get(name);
    if (known !== undefined && (known === "BigInt") !== (scalar === "BigInt")) {
      fail(`field ${name} is a ${known} in one place and a ${scalar} in another: give one of them an alias`);
    }
    scalarOf.set(name, scalar);
  }

  /** A fragment's own name where only it is spread; otherwise the members, for a union one alternative a type. */
  function objectOf({ selections }: SelectionSetNode, type: GraphQLNamedType): string {
    const [first] = selections;
    if (selections.length === 1 && first?.kind === Kind.FRAGMENT_SPREAD) return first.name.value;
    const cases = selections.filter((node) => node.kind === Kind.INLINE_FRAGMENT);
    if (cases.length > 0) {
      return cases
        .map(({ typeCondition, selectionSet }) => {
          const name = typeCondition?.name.value ?? type.name;
          const member = schema.getType(name) ?? fail(`type ${name} is unknown`);
          return `{ readonly __typename: ${JSON.stringify(name)}; ${membersOf(selectionSet.selections, member)} }`;
        })
        .join(" | ");
    }
    const spreads = selections.flatMap((node) => (node.kind === Kind.FRAGMENT_SPREAD ? [node.name.value] : []));
    const own = selections.filter(({ kind }) => kind !== Kind.FRAGMENT_SPREAD);
    return [...spreads, `{ ${membersOf(own, type)} }`].join(" & ");
  }

  function membersOf(selections: readonly SelectionNode[], type: GraphQLNamedType): string {
    return selections
      .map((node) => {
        if (node.kind !== Kind.FIELD) return fail(`${type.name}: a fragment spreads no other beside its fields`);
        const name = (node.alias ?? node.name).value;
        const field = isObjectType(type) ? type.getFields()[node.name.value] : undefined;
        if (field === undefined) return fail(`${type.name}.${node.name.value}: only fields of object types`);
        return `readonly ${name}: ${typeOf(field.type, { name, set: node.selectionSet })};`;
      })
      .join(" ");
  }

  const shapes = [...fragments].map(([name, { typeCondition, selectionSet }]) => {
    const type = schema.getType(typeCondition.name.value);
    if (!isCompositeType(type)) return fail(`type ${typeCondition.name.value} is unknown`);
    return `export interface ${name} { ${membersOf(selectionSet.selections, type)} }`;
  });
  const answers = operations.map(({ name, operation, selectionSet }) => {
    const root = schema.getRootType(operation) ?? fail(`the schema has no ${operation}`);
    return `export interface ${name?.value}Answer { ${membersOf(selectionSet.selections, root)} }`;
  });
  const choices = [...enums].sort().map(([name, values]) => `export type ${name} = ${values};`);
  const integers = [...scalarOf].flatMap(([name, scalar]) => (scalar === "BigInt" ? [name] : []));
  return { types: [...choices, ...shapes, ...answers, ""].join("\n"), integers: integers.sort() };
}

function fail(message: string): never {
  throw new Error(message);
}

const HEX = `export type Hex = \`0x\${string}\`;`;

/** Generated files by their path from the root, before formatting. */
export function generatedFiles(sdl: string): Readonly<Record<string, string>> {
  const schema = buildSchema(sdl);
  const client = answerTypes(schema, documents, "bigint");
  const exports = answerTypes(schema, exportDocuments, "string");
  const header = (source: string, more = ""): string =>
    `/** ${more}Written by scripts/write-client-types.ts from ${source} and the GraphQL schema: do not edit. */`;
  const integers = `export const BIGINT_FIELDS = new Set(${JSON.stringify(client.integers)});\n`;
  return {
    "client/answers.d.ts": [header("documents.js"), HEX, client.types].join("\n"),
    "client/integers.js": [header("documents.js", "Fields that are BigInt. "), integers].join("\n"),
    "indexer/exports/answers.ts": [header("documents.ts"), HEX, exports.types].join("\n"),
  };
}

if (import.meta.main) {
  const root = new URL("../", import.meta.url);
  const files = generatedFiles(readFileSync(new URL("indexer/schema.graphql", root), "utf8"));
  for (const [path, text] of Object.entries(files)) writeFileSync(new URL(path, root), text);
}
