/** GraphQL operations by name, each whole. */
export declare const documents: Readonly<Record<string, string>>;
