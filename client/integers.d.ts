export declare const BIGINT_FIELDS: ReadonlySet<string>;
