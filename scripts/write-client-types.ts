/**
 * Writes what the client's answers look like from the documents that it sends and the committed schema: the types
 * (client/answers.d.ts) and the names of fields that are integers without bound (client/integers.js).
 * `biome format --write client` gives them their final form.
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

const SCALARS: Readonly<Record<string, string>> = {
  ID: "string",
  String: "string",
  Int: "number",
  Float: "number",
  Boolean: "boolean",
  BigInt: "bigint",
  Bytes: "Hex",
  Address: "Hex",
  Timestamp: "number",
};

const HEADER = "Written by scripts/write-client-types.ts from documents.js and indexer/schema.graphql. Do not edit.";

export interface ClientTypes {
  readonly types: string;
  readonly integers: string;
}

/** Throws where a document is invalid, or where a field's name is a BigInt in one place and something else in another. */
export function clientTypes(schema: GraphQLSchema, sources: Readonly<Record<string, string>>): ClientTypes {
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
    if (!isEnumType(named)) return SCALARS[named.name] ?? fail(`scalar ${named.name} is unknown here`);
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
    if (cases.length === 0) return `{ ${membersOf(selections, type)} }`;
    return cases
      .map(({ typeCondition, selectionSet }) => {
        const name = typeCondition?.name.value ?? type.name;
        const member = schema.getType(name) ?? fail(`type ${name} is unknown`);
        return `{ readonly __typename: ${JSON.stringify(name)}; ${membersOf(selectionSet.selections, member)} }`;
      })
      .join(" | ");
  }

  function membersOf(selections: readonly SelectionNode[], type: GraphQLNamedType): string {
    return selections
      .map((node) => {
        if (node.kind !== Kind.FIELD) return fail(`${type.name}: a spread stands alone in its braces`);
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
  const bigints = [...scalarOf].filter(([, scalar]) => scalar === "BigInt").map(([name]) => name);
  return {
    types: [`/** ${HEADER} */`, `export type Hex = \`0x\${string}\`;`, ...choices, ...shapes, ...answers, ""].join(
      "\n",
    ),
    integers: `/** Fields of the answers that are integers without bound, decimal strings on the way here.\n * ${HEADER} */\nexport const BIGINT_FIELDS = new Set(${JSON.stringify(bigints.sort())});\n`,
  };
}

function fail(message: string): never {
  throw new Error(message);
}

if (import.meta.main) {
  const client = new URL("../client/", import.meta.url);
  const sdl = readFileSync(new URL("../indexer/schema.graphql", import.meta.url), "utf8");
  const { types, integers } = clientTypes(buildSchema(sdl), documents);
  writeFileSync(new URL("answers.d.ts", client), types);
  writeFileSync(new URL("integers.js", client), integers);
}
