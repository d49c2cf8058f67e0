/** What one request may ask for. Checked before anything is resolved, each with an error that names the limit. */
import {
  type ASTVisitor,
  type ExecutionArgs,
  type FieldNode,
  GraphQLError,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isCompositeType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type SelectionSetNode,
  type ValidationContext,
} from "graphql/index.js";
import { DEFAULT_NODES, MAX_NODES } from "./lineage.ts";
import { DEFAULT_PAGE, MAX_PAGE } from "./paging.ts";

export interface QueryLimits {
  /** Lexical tokens of a document. */
  readonly maxTokens: number;
  /** Aliases in a document: the same field many times over is the cheapest attack. */
  readonly maxAliases: number;
  /** Fields within fields. Introspection does not count. */
  readonly maxDepth: number;
  /** Fields resolved when every page is full: each counts once per row above it. */
  readonly maxCost: number;
}

export const DEFAULT_LIMITS: QueryLimits = { maxTokens: 2_000, maxAliases: 50, maxDepth: 14, maxCost: 100_000 };

/** A list without `first` is bounded by the protocol: at most 64 spans, 16 Datanets of a model; most are shorter. */
const PLAIN_LIST_LENGTH = 24;
/** A page is a statement of its own for each row above it, whatever is asked of it. */
const PAGE_COST = 10;

const limitError = (message: string): GraphQLError =>
  new GraphQLError(message, { extensions: { code: "QUERY_LIMIT" } });

export function aliasLimit(maxAliases: number) {
  return (context: ValidationContext): ASTVisitor => {
    let aliases = 0;
    return {
      Field({ alias }) {
        if (alias === undefined) return;
        aliases += 1;
        if (aliases === maxAliases + 1)
          context.reportError(limitError(`the query has more than ${maxAliases} aliases`));
      },
    };
  };
}

export interface Measure {
  readonly depth: number;
  readonly cost: number;
}

/**
 * Depth and cost of the operation that the request names. Precondition: the document is valid, so fragments do not form
 * cycles; each is measured once however often it is spread.
 */
export function measureOperation({ document, operationName, schema, variableValues }: ExecutionArgs): Measure {
  const operation = document.definitions.find(
    (node) => node.kind === Kind.OPERATION_DEFINITION && (!operationName || node.name?.value === operationName),
  );
  if (operation?.kind !== Kind.OPERATION_DEFINITION) return { depth: 0, cost: 0 };
  const defaults = (operation.variableDefinitions ?? []).map(({ variable, defaultValue }) => [
    variable.name.value,
    defaultValue?.kind === Kind.INT ? Number(defaultValue.value) : undefined,
  ]);
  const root = schema.getRootType(operation.operation);
  const measure = measurer(schema, document, { ...Object.fromEntries(defaults), ...variableValues });
  return measure(operation.selectionSet, root ?? undefined);
}

/** Undefined when the operation is within the limits. */
export function findExcess({ depth, cost }: Measure, limits: QueryLimits): GraphQLError | undefined {
  if (depth > limits.maxDepth) return limitError(`the query is ${depth} fields deep, the limit is ${limits.maxDepth}`);
  if (cost > limits.maxCost) {
    return limitError(`the query may resolve ${cost} fields, the limit is ${limits.maxCost}: ask for smaller pages`);
  }
  return undefined;
}

function measurer(
  schema: GraphQLSchema,
  document: ExecutionArgs["document"],
  variables: Readonly<Record<string, unknown>>,
) {
  const fragments = new Map(
    document.definitions.flatMap((node) => (node.kind === Kind.FRAGMENT_DEFINITION ? [[node.name.value, node]] : [])),
  );
  const measured = new Map<string, Measure>();

  function ofSet(set: SelectionSetNode, type: GraphQLNamedType | undefined, listLength = PLAIN_LIST_LENGTH): Measure {
    let depth = 0;
    let cost = 0;
    for (const selection of set.selections) {
      const part =
        selection.kind === Kind.FIELD
          ? ofField(selection, type, listLength)
          : selection.kind === Kind.INLINE_FRAGMENT
            ? ofSet(selection.selectionSet, named(selection.typeCondition?.name.value) ?? type, listLength)
            : ofFragment(selection.name.value, listLength);
      depth = Math.max(depth, part.depth);
      cost += part.cost;
    }
    return { depth, cost };
  }

  function ofFragment(name: string, listLength: number): Measure {
    const key = `${name} ${listLength}`;
    const known = measured.get(key);
    if (known !== undefined) return known;
    const fragment = fragments.get(name);
    if (fragment?.kind !== Kind.FRAGMENT_DEFINITION) return { depth: 0, cost: 0 };
    const result = ofSet(fragment.selectionSet, named(fragment.typeCondition.name.value), listLength);
    measured.set(key, result);
    return result;
  }

  function ofField(field: FieldNode, type: GraphQLNamedType | undefined, listLength: number): Measure {
    // Introspection is answered from the schema alone, and tools ask for it deeply.
    if (field.name.value.startsWith("__")) return { depth: 0, cost: 0 };
    const definition = isObjectType(type) || isInterfaceType(type) ? type.getFields()[field.name.value] : undefined;
    if (definition === undefined || field.selectionSet === undefined) return { depth: 1, cost: 1 };
    const bound = listBound(field, definition);
    if (isListType(getNullableType(definition.type))) {
      const rows = bound ?? listLength * (lengthOf(definition, "perNode") ?? 1);
      return multiplied(ofSet(field.selectionSet, getNamedType(definition.type)), rows);
    }
    // The bound of a page or a graph is that of the lists in it; a graph is walked whatever is asked of it.
    const { depth, cost } = multiplied(ofSet(field.selectionSet, getNamedType(definition.type), bound), 1);
    const walk = takes(definition, "maxNodes") ? (bound ?? 0) : 0;
    return { depth, cost: cost + walk + (takes(definition, "first") ? PAGE_COST : 0) };
  }

  /** Most items of the list, or of the lists in it; undefined where nothing says so. */
  function listBound(field: FieldNode, definition: GraphQLField<unknown, unknown>): number | undefined {
    if (takes(definition, "maxNodes")) return intArgument(field, "maxNodes", DEFAULT_NODES, MAX_NODES);
    if (!takes(definition, "first")) return lengthOf(definition, "listLength");
    const given = takes(definition, "last") ? intArgument(field, "last", 0, MAX_PAGE) : 0;
    const { defaultValue } = definition.args.find(({ name }) => name === "first") ?? {};
    const first = intArgument(field, "first", given > 0 ? 0 : Number(defaultValue ?? DEFAULT_PAGE), MAX_PAGE);
    return Math.max(first, given);
  }

  function intArgument(field: FieldNode, argument: string, absent: number, max: number): number {
    const value = field.arguments?.find(({ name }) => name.value === argument)?.value;
    const number =
      value?.kind === Kind.VARIABLE
        ? Number(variables[value.name.value] ?? absent)
        : value?.kind === Kind.INT
          ? Number(value.value)
          : absent;
    // A bad value is refused where it is resolved; here it only must not count as little.
    return number === absent || (number >= 1 && number <= max) ? number : max;
  }

  const named = (name: string | undefined): GraphQLNamedType | undefined => {
    const type = name === undefined ? undefined : schema.getType(name);
    return isCompositeType(type) ? type : undefined;
  };

  return ofSet;
}

const takes = ({ args }: GraphQLField<unknown, unknown>, argument: string): boolean =>
  args.some(({ name }) => name === argument);

/** A row counts itself and what is asked of it. */
function multiplied({ depth, cost }: Measure, rows: number): Measure {
  return { depth: depth + 1, cost: 1 + rows * cost };
}

/** What a field of the schema says of its list: `listLength`, its bound; `perNode`, its items for each node of a graph. */
function lengthOf({ extensions }: GraphQLField<unknown, unknown>, name: "listLength" | "perNode"): number | undefined {
  const value = extensions[name];
  return typeof value === "number" ? value : undefined;
}
