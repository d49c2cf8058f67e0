/** What the exports are made of, asked through GraphQL: all of one document at one block, however many requests it takes. */
import type { BlockRef, LineageClient } from "../../client/lineage.js";
import type {
  ExportContribution,
  ExportContributionsAnswer,
  ExportDatanet,
  ExportDatanetByIdAnswer,
  ExportModel,
  ExportModelByIdAnswer,
  ExportOutputAnswer,
  ExportVersion,
  ExportVersionsAnswer,
  Moment,
} from "../../indexer/exports/answers.ts";
import { exportDocuments } from "../../indexer/exports/documents.ts";
import type { OutputLineage } from "../../indexer/exports/output-lineage.ts";
import { LIMITS } from "../../precompiles/limits.ts";
import { OperationError } from "../errors.ts";

const MAX_NODES = 500;
const PAGE = 1_000;

export class Gatherer {
  readonly #client: LineageClient;
  readonly #block: { readonly hash: string };
  readonly deployment: string;
  readonly asOf: Moment;

  private constructor(client: LineageClient, deployment: string, block: BlockRef) {
    this.#client = client;
    this.#block = { hash: block.hash };
    this.deployment = deployment;
    this.asOf = { ...block, number: String(block.number) };
  }

  /** `at`: the last block that the index has when undefined. Rejects as the client does. */
  static async of(client: LineageClient, at: number | undefined): Promise<Gatherer> {
    const { deployment, block } = await client.meta(at === undefined ? {} : { block: { number: BigInt(at) } });
    return new Gatherer(client, deployment, block);
  }

  /** Rejects with OperationError for what does not exist. */
  async output(id: number): Promise<OutputLineage> {
    const { lineage } = await this.#ask<ExportOutputAnswer>("output", { of: `output:${id}`, maxNodes: MAX_NODES });
    const root = lineage?.root;
    if (lineage === null || root === null || root === undefined) throw unknown("output", id, this.asOf);
    return { ...lineage, root };
  }

  /** The model, then its parent, and so on to the base. */
  async models(id: number): Promise<ExportModel[]> {
    const models: ExportModel[] = [];
    for (let next: string | undefined = String(id); next !== undefined; ) {
      if (models.length > LIMITS.lineageDepth)
        throw new OperationError(`model ${id} has more ancestors than a chain allows`);
      const { model }: ExportModelByIdAnswer = await this.#ask("model", { id: next });
      if (model === null) throw unknown("model", id, this.asOf);
      models.push(model);
      next = model.parent?.id;
    }
    return models;
  }

  /** `version`: the newest when undefined. Contributions in the order of their leaves. */
  async datanet(
    id: number,
    version: number | undefined,
  ): Promise<{
    readonly datanet: ExportDatanet;
    readonly version: ExportVersion;
    readonly contributions: readonly ExportContribution[];
  }> {
    const { datanet } = await this.#ask<ExportDatanetByIdAnswer>("datanet", { id });
    if (datanet === null) throw unknown("Datanet", id, this.asOf);
    let found: ExportVersion | undefined;
    const versions = this.#pages<ExportVersionsAnswer, ExportVersion>(
      "versions",
      { datanet: id },
      (answer) => answer.datanet?.versions,
    );
    for await (const candidate of versions) if ((version ?? candidate.version) === candidate.version) found = candidate;
    if (found === undefined) {
      throw new OperationError(`Datanet ${id} has no ${version === undefined ? "version yet" : `version ${version}`}`);
    }
    const { count } = found;
    const contributions: ExportContribution[] = [];
    const accepted = this.#pages<ExportContributionsAnswer, ExportContribution>(
      "contributions",
      { datanet: id },
      (answer) => answer.contributions,
    );
    for await (const entry of accepted) {
      if (entry.leafIndex !== null && entry.leafIndex < count) contributions.push(entry);
    }
    if (contributions.length !== count) {
      throw new OperationError(
        `version ${found.version} of Datanet ${id} has ${count} contributions, but the index names ${contributions.length} of them: see openledger index verify`,
      );
    }
    contributions.sort((a, b) => Number(a.leafIndex) - Number(b.leafIndex));
    return { datanet, version: found, contributions };
  }

  #ask<Answer>(document: keyof typeof exportDocuments, variables: Record<string, unknown>): Promise<Answer> {
    return this.#client.query<Answer>(exportDocuments[document], { ...variables, block: this.#block });
  }

  async *#pages<Answer, Row>(
    document: keyof typeof exportDocuments,
    variables: Record<string, unknown>,
    listOf: (
      answer: Answer,
    ) => { nodes: readonly Row[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } } | undefined,
  ): AsyncGenerator<Row, void> {
    let after: string | null = null;
    do {
      const list = listOf(await this.#ask<Answer>(document, { ...variables, first: PAGE, after }));
      if (list === undefined) return;
      yield* list.nodes;
      after = list.pageInfo.hasNextPage ? list.pageInfo.endCursor : null;
    } while (after !== null);
  }
}

const unknown = (what: string, id: number, { number }: Moment): OperationError =>
  new OperationError(`there is no ${what} ${id} at block ${number}`);
