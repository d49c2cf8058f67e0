/** cast: what somebody at a terminal does. */
import { type Hex, keccak256, toHex } from "viem";
import { beforeAll, expect, it } from "vitest";
import { type Cast, castFailure, createCast } from "../../helpers/cast.ts";
import { CONTENT_ROOT, DATANET, type ToolNetwork } from "./network.ts";

const DATANET_TUPLE = "(address,uint8,uint8,uint8,uint32,uint32,uint128,bytes32)";
const CREATE = "createDatanet(string,string,string,uint8,uint8,uint8,uint128)(uint256)";
const UNKNOWN_DATANET = "UnknownDatanet(uint256)";

interface CastReceipt {
  readonly status: Hex;
  readonly transactionHash: Hex;
  readonly contractAddress: Hex | null;
  readonly blockNumber: Hex;
  readonly gasUsed: Hex;
  readonly type: Hex;
  readonly logs: readonly { readonly address: Hex; readonly topics: readonly Hex[] }[];
}

export function castWorks(network: () => ToolNetwork, binary: string): void {
  let cast: Cast;
  let key: string;
  let sender: string;
  let recipient: string;
  let token: Hex;

  const send = async (...args: string[]): Promise<CastReceipt> => {
    const receipt = JSON.parse(await cast("send", "--json", "--private-key", key, ...args)) as CastReceipt;
    expect(receipt.status).toBe("0x1");
    return receipt;
  };

  beforeAll(async () => {
    const { rpcUrl, directory, user, token: compiled } = network();
    cast = createCast(binary, rpcUrl, directory);
    key = user("cast").key;
    sender = user("cast").address;
    recipient = user("recipient").address;
    const deployed = await send("--create", compiled.bytecode, "constructor(uint256)", "1000");
    token = deployed.contractAddress as Hex;
  });

  it("knows the chain", async () => {
    const { chain, wsUrl } = network();
    expect(await cast("chain-id")).toBe(String(chain.id));
    expect(await cast("chain-id", "--rpc-url", wsUrl)).toBe(String(chain.id));
    expect(await cast("client")).toMatch(/^openledger\//);
    expect(JSON.parse(await cast("rpc", "eth_chainId"))).toBe(toHex(chain.id));
    expect(Number(await cast("gas-price"))).toBeGreaterThan(0);
    const [number, hash] = [await cast("block-number"), await cast("block", "0", "--field", "hash")];
    expect(Number(number)).toBeGreaterThan(0);
    expect(hash).toBe((await network().client.getBlock({ blockNumber: 0n })).hash);
    expect(await cast("block", "latest")).toMatch(/^baseFeePerGas +\d+$[\s\S]*^requestsHash +0x[0-9a-f]{64}$/m);
  });

  it("sends, and finds receipt, transaction, logs, nonce and balance", async () => {
    const [nonce, balance] = [Number(await cast("nonce", sender)), BigInt(await cast("balance", sender))];
    const estimated = BigInt(
      await cast("estimate", token, "transfer(address,uint256)", recipient, "5", "--from", sender),
    );
    const receipt = await send(token, "transfer(address,uint256)", recipient, "5");
    expect(BigInt(receipt.gasUsed)).toBeLessThanOrEqual(estimated);
    expect(await cast("nonce", sender)).toBe(String(nonce + 1));
    expect(BigInt(await cast("balance", sender))).toBeLessThan(balance);
    expect(await cast("call", token, "balanceOf(address)(uint256)", recipient)).toBe("5");
    const before = String(BigInt(receipt.blockNumber) - 1n);
    expect(await cast("call", token, "balanceOf(address)(uint256)", recipient, "--block", before)).toBe("0");
    expect(await cast("receipt", receipt.transactionHash, "status")).toBe("true");
    expect(await cast("receipt", receipt.transactionHash, "gasUsed", "--confirmations", "2")).toBe(
      String(BigInt(receipt.gasUsed)),
    );
    expect(await cast("tx", receipt.transactionHash, "from")).toBe(sender);
    const minted = await send(token, "mint(address[],uint256)", `[${sender},${recipient}]`, "6");
    const logs = JSON.parse(
      await cast(
        "logs",
        "--json",
        "--from-block",
        "0",
        "--address",
        token,
        "Transfer(address indexed,address indexed,uint256)",
        "",
        recipient,
      ),
    );
    const data = (amount: number) => toHex(amount, { size: 32 });
    expect(logs).toMatchObject([
      { address: token, transactionHash: receipt.transactionHash, data: data(5), logIndex: "0x0" },
      { address: token, transactionHash: minted.transactionHash, data: data(6), logIndex: "0x1" },
    ]);
  });

  it("moves OPEN with each kind of transaction", async () => {
    const to = "0x00000000000000000000000000000000000000ca";
    expect((await send(to, "--value", "1ether")).type).toBe("0x2");
    expect((await send(to, "--value", "1ether", "--legacy")).type).toBe("0x0");
    const accessList = JSON.stringify([{ address: token, storageKeys: [toHex(2, { size: 32 })] }]);
    expect((await send(to, "--value", "1ether", "--access-list", accessList)).gasUsed).toBe(
      toHex(21_000 + 2_400 + 1_900),
    );
    expect((await send(to, "--value", "1ether", "--auth", DATANET.address)).type).toBe("0x4");
    expect(await cast("code", sender)).toBe(`0xef0100${DATANET.address.slice(2)}`);
    expect(await cast("balance", "--ether", to)).toBe("4.000000000000000000");
  });

  it("publishes a transaction that was signed elsewhere", async () => {
    const raw = await cast("mktx", "--private-key", key, recipient, "--value", "1");
    const hash = keccak256(raw as Hex);
    expect(await cast("publish", "--async", raw)).toBe(hash);
    expect(await cast("receipt", hash, "status")).toBe("true");
    expect(await castFailure(cast("publish", raw))).toMatch(/nonce too low/);
  });

  it("creates a Datanet, reads it back, and shows its code and storage", async () => {
    const created = await send(DATANET.address, CREATE, "Of cast", "language", "ipfs://cast", "0", "7", "0", "5");
    const datanetId = String(BigInt(created.logs[0]?.topics[1] ?? "0x0"));
    const datanet = await cast("call", DATANET.address, `datanet(uint256)(${DATANET_TUPLE})`, datanetId);
    expect(datanet).toMatch(new RegExp(`^\\(${sender}, 0, 7, 0, 0, 0, 5, 0x[0-9a-f]{64}\\)$`));
    expect(await cast("code", DATANET.address)).toBe("0xfe");
    const slot = await cast("index", "uint256", datanetId, "1");
    expect(await cast("storage", DATANET.address, slot)).toContain(`0700${sender.slice(2).toLowerCase()}`);
    const proof = JSON.parse(await cast("proof", DATANET.address, slot));
    expect(BigInt(proof.storageProof[0].value)).toBe(BigInt(await cast("storage", DATANET.address, slot)));
  });

  it("shows custom errors of a precompile, also through a contract", async () => {
    const { asker: compiled, datanetId, modelId, contributionId, user } = network();
    const said = await castFailure(cast("call", DATANET.address, "datanet(uint256)", "999"));
    expect(said).toContain("execution reverted: UnknownDatanet(999)");
    const data = /data: "(0x[0-9a-f]+)"/.exec(said)?.[1] ?? "";
    expect(await cast("decode-error", "--sig", UNKNOWN_DATANET, data)).toBe("999");
    const accept = [DATANET.address, "acceptContribution(uint256,uint16)", String(contributionId), "1"];
    expect(await castFailure(send(...accept))).toContain(`NotCurator(${sender})`);

    const asker = (await send("--create", compiled.bytecode)).contractAddress as Hex;
    expect(await cast("call", asker, "licenceOf(uint256)(uint8)", String(datanetId))).toBe("7");
    expect(await castFailure(cast("call", asker, "licenceOf(uint256)", "999"))).toContain("UnknownDatanet(999)");
    const ask = "ask(uint256,address,bytes32,uint32)(uint256)";
    const args = [String(modelId), user("owner").address, CONTENT_ROOT, "900", "--value", "1ether"];
    expect((await send(asker, ask, ...args)).logs).toHaveLength(2);
  });
}
