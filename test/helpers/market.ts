/** A Datanet with texts and a model on it, on a running devnet. */
import { type Address, encodeAbiParameters, type Hex, keccak256, parseEther, parseEventLogs, toHex } from "viem";
import { contentRoot } from "../../core/content.ts";
import { licenceCode } from "../../core/licences.ts";
import type { Actor } from "../../demo/session.ts";
import { attributionAbi } from "../../precompiles/interfaces/attribution.abi.ts";
import { datanetAbi } from "../../precompiles/interfaces/datanet.abi.ts";
import { modelsAbi } from "../../precompiles/interfaces/models.abi.ts";

const DATANET = { address: "0x0000000000000000000000000000000000000901", abi: datanetAbi } as const;
export const MODELS = { address: "0x0000000000000000000000000000000000000902", abi: modelsAbi } as const;
export const ATTRIBUTION = { address: "0x0000000000000000000000000000000000000903", abi: attributionAbi } as const;
const LICENCE = licenceCode("CC-BY-4.0");
const SALT: Hex = `0x${"5a".repeat(32)}`;

const commitment = (datanetId: bigint, contributor: Address, root: Hex): Hex =>
  keccak256(
    encodeAbiParameters(
      [{ type: "uint256" }, { type: "address" }, { type: "bytes32" }, { type: "bytes32" }],
      [datanetId, contributor, root, SALT],
    ),
  );

export interface MarketText {
  readonly id: bigint;
  readonly bytes: Uint8Array;
  readonly contributor: Actor;
}

export interface Market {
  readonly modelId: bigint;
  readonly texts: readonly MarketText[];
}

/** The texts are in the content store, too. They are contributed by `contributors` in turn, or by the owner. */
export async function openMarket(
  owner: Actor,
  contents: readonly Uint8Array[],
  contentUrl: string,
  contributors: readonly Actor[] = [owner],
): Promise<Market> {
  const opened = await owner.sendAndWait({
    ...DATANET,
    functionName: "createDatanet",
    args: ["Texts", "software", "https://example.org/texts", 0, LICENCE, 0, 0n],
  });
  const [created] = parseEventLogs({ abi: datanetAbi, eventName: "DatanetCreated", logs: opened.logs });
  const { datanetId } = created!.args;
  const texts: MarketText[] = [];
  for (const [i, bytes] of contents.entries()) {
    const contributor = contributors[i % contributors.length]!;
    texts.push({ id: await contribute(owner, contributor, datanetId, bytes, contentUrl), bytes, contributor });
  }
  const published = await owner.sendAndWait({ ...DATANET, functionName: "publishVersion", args: [datanetId] });
  const [version] = parseEventLogs({ abi: datanetAbi, eventName: "VersionPublished", logs: published.logs });
  const registered = await owner.sendAndWait({
    ...MODELS,
    functionName: "registerModel",
    args: [
      {
        kind: 0,
        parent: 0n,
        name: "Texts",
        metadataURI: "https://example.org/model",
        artifactHash: keccak256("0x01"),
        configHash: keccak256("0x02"),
        licence: LICENCE,
        data: [{ datanetId, version: version!.args.version }],
        requestPrice: parseEther("0.01"),
        outputPrice: parseEther("0.1"),
        royaltyPpm: 0,
        hostPpm: 400_000,
      },
    ],
  });
  const [model] = parseEventLogs({ abi: modelsAbi, eventName: "ModelRegistered", logs: registered.logs });
  return { modelId: model!.args.modelId, texts };
}

async function contribute(
  owner: Actor,
  contributor: Actor,
  datanetId: bigint,
  text: Uint8Array,
  contentUrl: string,
): Promise<bigint> {
  const body = text as Uint8Array<ArrayBuffer>;
  const put = await fetch(`${contentUrl}/content`, { method: "PUT", body });
  if (!put.ok) throw new Error(`the content store answered ${put.status}`);
  const root = toHex(contentRoot(text));
  const hidden = commitment(datanetId, contributor.address, root);
  await contributor.sendAndWait({ ...DATANET, functionName: "commitContribution", args: [datanetId, hidden] });
  const args = [datanetId, root, BigInt(text.length), "", LICENCE, [], SALT] as const;
  const { logs } = await contributor.sendAndWait({ ...DATANET, functionName: "submitContribution", args });
  const [submitted] = parseEventLogs({ abi: datanetAbi, eventName: "ContributionSubmitted", logs });
  const { contributionId } = submitted!.args;
  await owner.sendAndWait({ ...DATANET, functionName: "acceptContribution", args: [contributionId, 9_000] });
  return contributionId;
}
