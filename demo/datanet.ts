/** Texts become contributions: stored off chain, committed, revealed, reviewed, frozen in a version. */
import {
  type Address,
  encodeAbiParameters,
  formatEther,
  type Hash,
  type Hex,
  keccak256,
  parseEther,
  parseEventLogs,
  stringToHex,
} from "viem";
import { licenceAllows, licenceCode } from "../core/licences.ts";
import { datanetAbi } from "../precompiles/interfaces/datanet.abi.ts";
import type { SourceText } from "./corpus.ts";
import { check, line } from "./report.ts";
import { type Actor, expectRevert, type Session, succeeded } from "./session.ts";

const DATANET = { address: "0x0000000000000000000000000000000000000901", abi: datanetAbi } as const;
const DATANET_LICENCE = licenceCode("CC-BY-4.0");
const BOND_WEI = parseEther("0.1");
const SALT = keccak256(stringToHex("demo"));

export interface Contribution {
  readonly id: bigint;
  readonly text: SourceText;
  readonly contributor: Actor;
  readonly root: Hex;
}

export async function openDatanet({ client }: Session, curator: Actor): Promise<bigint> {
  const receipt = await curator.sendAndWait({
    ...DATANET,
    functionName: "createDatanet",
    args: [
      "Software documentation",
      "software",
      "https://example.org/datanets/software-documentation",
      0,
      DATANET_LICENCE,
      0,
      BOND_WEI,
    ],
  });
  const [created] = parseEventLogs({ abi: datanetAbi, eventName: "DatanetCreated", logs: receipt.logs });
  if (created === undefined) throw new Error("no DatanetCreated event");
  const { datanetId } = created.args;
  const state = await client.readContract({ ...DATANET, functionName: "datanet", args: [datanetId] });
  line(`Datanet ${datanetId}, licence CC-BY-4.0, bond ${formatEther(state.bond)} OPEN a contribution`);
  return datanetId;
}

/** PUT is idempotent; the store answers with the root that it computed. */
async function store(url: string, bytes: Uint8Array): Promise<Hex> {
  const response = await fetch(`${url}/content`, { method: "PUT", body: bytes as Uint8Array<ArrayBuffer> });
  if (!response.ok)
    throw new Error(`the content store at ${url} answered ${response.status}: ${await response.text()}`);
  return ((await response.json()) as { root: Hex }).root;
}

const commitmentOf = (datanetId: bigint, contributor: Address, root: Hex): Hex =>
  keccak256(
    encodeAbiParameters(
      [{ type: "uint256" }, { type: "address" }, { type: "bytes32" }, { type: "bytes32" }],
      [datanetId, contributor, root, SALT],
    ),
  );

/** Each author's texts go through one account, authors round robin. */
function assignAuthors(texts: readonly SourceText[], contributors: readonly Actor[]): Map<string, Actor> {
  const authors = [...new Set(texts.map((text) => text.author))];
  return new Map(authors.map((author, i) => [author, contributors[i % contributors.length] as Actor]));
}

export async function contribute(
  { client }: Session,
  datanetId: bigint,
  texts: readonly SourceText[],
  contributors: readonly Actor[],
  storeUrl: string,
): Promise<Contribution[]> {
  const actorOf = assignAuthors(texts, contributors);
  const jobs = [];
  for (const text of texts) {
    const contributor = actorOf.get(text.author) as Actor;
    jobs.push({ text, contributor, root: await store(storeUrl, text.bytes) });
  }
  // Commit and reveal: a bare root in the pool could be copied and revealed first by somebody else.
  const commits: Hash[] = [];
  for (const { contributor, root } of jobs) {
    const args = [datanetId, commitmentOf(datanetId, contributor.address, root)] as const;
    commits.push(await contributor.send({ ...DATANET, functionName: "commitContribution", args }));
  }
  for (const hash of commits) await succeeded(client, hash);

  const reveals: Hash[] = [];
  for (const { text, contributor, root } of jobs) {
    const uri = `${storeUrl}/content/${root}`;
    const args = [datanetId, root, BigInt(text.bytes.length), uri, licenceCode(text.licence), [], SALT] as const;
    reveals.push(await contributor.send({ ...DATANET, functionName: "submitContribution", args, value: BOND_WEI }));
  }
  const contributions: Contribution[] = [];
  for (const [i, hash] of reveals.entries()) {
    const { logs } = await succeeded(client, hash);
    const [submitted] = parseEventLogs({ abi: datanetAbi, eventName: "ContributionSubmitted", logs });
    const job = jobs[i];
    if (submitted === undefined || job === undefined) throw new Error("no ContributionSubmitted event");
    contributions.push({ id: submitted.args.contributionId, ...job });
  }
  const bytes = texts.reduce((sum, text) => sum + text.bytes.length, 0);
  line(`${contributions.length} texts of ${actorOf.size} authors from ${contributors.length} accounts, ${bytes} bytes`);
  await tryDuplicate(client, datanetId, contributions, contributors);
  return contributions;
}

/** Somebody else submits a text that is already there. */
async function tryDuplicate(
  client: Session["client"],
  datanetId: bigint,
  contributions: readonly Contribution[],
  contributors: readonly Actor[],
): Promise<void> {
  const original = contributions[0];
  const copier = contributors.find((actor) => actor !== original?.contributor);
  if (original === undefined || copier === undefined) throw new Error("two contributors are needed");
  const commitment = commitmentOf(datanetId, copier.address, original.root);
  await copier.sendAndWait({ ...DATANET, functionName: "commitContribution", args: [datanetId, commitment] });
  const size = BigInt(original.text.bytes.length);
  const args = [datanetId, original.root, size, "", licenceCode(original.text.licence), [], SALT] as const;
  const { name, args: fields } = await expectRevert(
    client.simulateContract({
      ...DATANET,
      functionName: "submitContribution",
      args,
      value: BOND_WEI,
      account: copier.address,
      blockTag: "pending",
    }),
  );
  line(`a copy of ${original.text.title} is refused: ${name}(${fields.join(", ")})`);
  check(
    name === "DuplicateContent" && fields[2] === original.id,
    "an exact duplicate shows the custom error DuplicateContent",
  );
}

/** Accepts what the Datanet's licence allows, rejects the rest with a reason, freezes a version. */
export async function curate(
  { client }: Session,
  curator: Actor,
  datanetId: bigint,
  contributions: readonly Contribution[],
): Promise<number> {
  const refused = contributions.filter(({ text }) => !licenceAllows(licenceCode(text.licence), DATANET_LICENCE));
  const accepted = contributions.filter((contribution) => !refused.includes(contribution));
  const hashes: Hash[] = [];
  for (const { id } of accepted) {
    hashes.push(await curator.send({ ...DATANET, functionName: "acceptContribution", args: [id, 9000] }));
  }
  for (const { id, text } of refused) {
    const reason = `licence ${text.licence ?? "missing"} does not allow CC-BY-4.0`;
    line(`rejected ${text.title}: ${reason}`);
    hashes.push(await curator.send({ ...DATANET, functionName: "rejectContribution", args: [id, reason] }));
  }
  for (const hash of hashes) await succeeded(client, hash);
  check(refused.length > 0, "texts without a usable licence are rejected");

  const receipt = await curator.sendAndWait({ ...DATANET, functionName: "publishVersion", args: [datanetId] });
  const [published] = parseEventLogs({ abi: datanetAbi, eventName: "VersionPublished", logs: receipt.logs });
  if (published === undefined) throw new Error("no VersionPublished event");
  line(`version ${published.args.version}: ${published.args.count} contributions, root ${published.args.root}`);
  check(published.args.count === accepted.length, "the version holds exactly what was accepted");
  return published.args.version;
}
