/**
 * The L1 contracts on a real L1, as they stand behind their proxies, and validators whose L2 is headers that they sign:
 * no transactions, but everything that L1 looks at.
 */
import {
  type Abi,
  type Account,
  type Address,
  encodeFunctionData,
  getContractAddress,
  type Hex,
  parseEther,
  type TransactionReceipt,
} from "viem";
import { bitmapOf } from "../../consensus/certificates.ts";
import { voteDigest } from "../../consensus/scheme.ts";
import { baseView, KIND, type Subject } from "../../consensus/types.ts";
import inboxArtifact from "../../contracts/artifacts/BatchInbox.json" with { type: "json" };
import portalArtifact from "../../contracts/artifacts/OpenLedgerPortal.json" with { type: "json" };
import tokenArtifact from "../../contracts/artifacts/OpenToken.json" with { type: "json" };
import oracleArtifact from "../../contracts/artifacts/OutputOracle.json" with { type: "json" };
import configArtifact from "../../contracts/artifacts/SystemConfig.json" with { type: "json" };
import proxyArtifact from "../../contracts/artifacts/TransparentUpgradeableProxy.json" with { type: "json" };
import registryArtifact from "../../contracts/artifacts/ValidatorRegistry.json" with { type: "json" };
import {
  blsAggregate,
  blsPublicKey,
  blsSecretKey,
  blsSign,
  blsSignatureForEvm,
  provePossession,
} from "../../core/bls.ts";
import { bigIntToFixed, bytesToHex, hexToBytes } from "../../core/bytes.ts";
import type { Header } from "../../core/chain.ts";
import { keccak256 } from "../../core/crypto.ts";
import { type ValidatorSet, validatorSet } from "../../core/validators.ts";
import { encodeHeader, hashHeader, protocolFields } from "../../execution/block/header.ts";
import { ANVIL_ACCOUNTS, type Anvil, type AnvilClient, deployContract, startAnvil } from "./anvil.ts";

export const CHAIN_ID = 161_299n;
export const PERIOD_SECONDS = 100;
const SEND_GAS = 16_000_000n;
export const EVIDENCE_SECONDS = 1_000;
export const SUBMISSION_INTERVAL = 3n;
export const MINIMUM_STAKE = parseEther("100");
export const SLASHED_PPM = 500_000n;
export const REPORTER_PPM = 40_000n;
export const TREASURY: Address = "0x000000000000000000000000000000000000dEaD";

export const [HOLDER, GUARDIAN, OWNER, STRANGER] = ANVIL_ACCOUNTS as unknown as [Account, Account, Account, Account];

const RESOURCES = {
  maxResourceLimit: 14_000_000,
  elasticityMultiplier: 10,
  baseFeeMaxChangeDenominator: 8,
  minimumBaseFee: 1,
  systemTxMaxGas: 1_000_000,
  maximumBaseFee: 2n ** 128n - 1n,
};

export interface TestContract {
  readonly address: Address;
  readonly abi: Abi;
}

export interface TestValidator {
  readonly secret: Uint8Array;
  readonly account: Address;
  readonly stake: bigint;
  readonly publicKey: Hex;
  /** EIP-2537 point. */
  readonly proof: Hex;
  /** What the registry knows it by. */
  readonly id: Hex;
}

/** `account` is the HOLDER's unless it is named. */
export function testValidator(seed: number, stake = MINIMUM_STAKE, account = HOLDER.address): TestValidator {
  const secret = blsSecretKey(bigIntToFixed(BigInt(seed) + 1n, 32));
  const publicKey = blsPublicKey(secret);
  return {
    secret,
    account,
    stake,
    publicKey: bytesToHex(publicKey),
    proof: bytesToHex(blsSignatureForEvm(provePossession(secret))),
    id: bytesToHex(keccak256(publicKey)),
  };
}

export const setOf = (validators: readonly TestValidator[]): ValidatorSet =>
  validatorSet(
    validators.map(({ account, publicKey, stake }) => ({
      address: hexToBytes(account),
      publicKey: hexToBytes(publicKey),
      stake,
    })),
  );

/** A header as a block of L2 has it; `parts` is what matters to a test. */
export function testHeader(number: bigint, parts: Partial<Header> = {}): Header {
  const fill = (value: bigint): Uint8Array => keccak256(bigIntToFixed(number * 16n + value, 32));
  return {
    ...protocolFields,
    parentHash: fill(1n),
    coinbase: fill(2n).subarray(0, 20),
    stateRoot: fill(3n),
    transactionsRoot: fill(4n),
    receiptsRoot: fill(5n),
    logsBloom: new Uint8Array(256),
    number,
    gasLimit: 30_000_000n,
    gasUsed: 1_234_567n,
    timestamp: 1_700_000_000n + number,
    extraData: new Uint8Array(0),
    prevRandao: fill(6n),
    baseFeePerGas: 1_000_000_000n,
    withdrawalsRoot: fill(7n),
    parentBeaconBlockRoot: fill(8n),
    ...parts,
  };
}

/** A block and `descendants` on top of it. */
export function testPath(number: bigint, descendants: number, parts: Partial<Header> = {}): readonly Header[] {
  const path = [testHeader(number, parts)];
  for (let i = 1; i <= descendants; i++) {
    path.push(testHeader(number + BigInt(i), { parentHash: hashHeader(path.at(-1)!) }));
  }
  return path;
}

export const outputRootOf = (header: Header): Hex =>
  bytesToHex(keccak256(new Uint8Array(32), header.stateRoot, header.withdrawalsRoot, hashHeader(header)));

/** As the contracts take it. */
export interface L1Certificate {
  readonly epoch: bigint;
  readonly viewNumber: bigint;
  readonly parentView: bigint;
  readonly bitmap: Hex;
  readonly signature: Hex;
}

export interface CertifyOptions extends Partial<Omit<Subject, "block">> {
  /** Indices; everybody without it. */
  readonly signers?: readonly number[];
  readonly setHash?: Uint8Array;
  readonly chainId?: bigint;
  readonly l1Contract?: Address;
}

export interface WorldOptions {
  readonly validators: readonly TestValidator[];
  readonly epochBlocks?: bigint;
}

export interface SendOptions {
  readonly from?: Account;
}

export class OracleWorld {
  readonly anvil: Anvil;
  readonly client: AnvilClient;
  readonly token: TestContract;
  readonly portal: TestContract;
  readonly inbox: TestContract;
  readonly oracle: TestContract;
  readonly registry: TestContract;
  readonly epochBlocks: bigint;

  private constructor(
    anvil: Anvil,
    epochBlocks: bigint,
    contracts: Record<"token" | "portal" | "inbox" | "oracle" | "registry", TestContract>,
  ) {
    this.anvil = anvil;
    this.client = anvil.client;
    this.epochBlocks = epochBlocks;
    this.token = contracts.token;
    this.portal = contracts.portal;
    this.inbox = contracts.inbox;
    this.oracle = contracts.oracle;
    this.registry = contracts.registry;
  }

  static async start({ validators, epochBlocks = 10n }: WorldOptions): Promise<OracleWorld> {
    // Sixty proofs of possession in one transaction.
    const anvil = await startAnvil({ args: ["--gas-limit", "100000000"] });
    try {
      return await OracleWorld.deploy(anvil, validators, epochBlocks);
    } catch (error) {
      await anvil.stop();
      throw error;
    }
  }

  private static async deploy(anvil: Anvil, validators: readonly TestValidator[], epochBlocks: bigint) {
    const { client } = anvil;
    const deploy = (artifact: { abi: unknown; bytecode: unknown }, args: readonly unknown[] = []) =>
      deployContract(client, artifact as { abi: Abi; bytecode: Hex }, args);
    const proxy = async (
      implementation: Address,
      artifact: { abi: unknown },
      args: readonly unknown[] = [],
    ): Promise<TestContract> => {
      const abi = artifact.abi as Abi;
      const data = encodeFunctionData({ abi, functionName: "initialize", args });
      return { address: await deploy(proxyArtifact, [implementation, OWNER.address, data]), abi };
    };
    const token = { address: await deploy(tokenArtifact, [HOLDER.address]), abi: tokenArtifact.abi as Abi };
    const config = await proxy(await deploy(configArtifact, [token.address]), configArtifact, [
      OWNER.address,
      GUARDIAN.address,
      30_000_000n,
      RESOURCES,
      parseEther("1000"),
      1_000n,
    ]);
    const inbox = await proxy(await deploy(inboxArtifact), inboxArtifact);
    // They name each other: three implementations, the stakes, then the proxies in this order.
    const nonce = BigInt(await client.getTransactionCount({ address: HOLDER.address }));
    const at = (offset: bigint): Address => getContractAddress({ from: HOLDER.address, nonce: nonce + offset });
    const [portalAt, registryAt, oracleAt] = [at(4n), at(5n), at(6n)];
    const portalCode = await deploy(portalArtifact, [token.address, oracleAt, config.address]);
    const registryCode = await deploy(registryArtifact, [
      {
        token: token.address,
        portal: portalAt,
        oracle: oracleAt,
        treasury: TREASURY,
        chainId: CHAIN_ID,
        minimumStake: MINIMUM_STAKE,
        evidenceWindow: BigInt(EVIDENCE_SECONDS),
        slashedPpm: SLASHED_PPM,
        reporterPpm: REPORTER_PPM,
      },
    ]);
    const oracleCode = await deploy(oracleArtifact, [
      {
        registry: registryAt,
        inbox: inbox.address,
        systemConfig: config.address,
        chainId: CHAIN_ID,
        epochBlocks,
        submissionInterval: SUBMISSION_INTERVAL,
        l2BlockTime: 1n,
        finalizationPeriod: BigInt(PERIOD_SECONDS),
      },
    ]);
    const stakes = validators.reduce((sum, { stake }) => sum + stake, 0n);
    const hash = await client.writeContract({ ...token, functionName: "transfer", args: [registryAt, stakes] });
    await client.waitForTransactionReceipt({ hash });
    const portal = await proxy(portalCode, portalArtifact, [0n]);
    const registry = await proxy(registryCode, registryArtifact, [validators]);
    const genesis = testHeader(0n);
    const setHash = bytesToHex(setOf(validators).hash);
    const oracle = await proxy(oracleCode, oracleArtifact, [outputRootOf(genesis), genesis.timestamp, setHash]);
    if (oracle.address.toLowerCase() !== oracleAt.toLowerCase()) throw new Error("the order of deployment changed");
    return new OracleWorld(anvil, epochBlocks, { token, portal, inbox, oracle, registry });
  }

  read<T>(contract: TestContract, functionName: string, ...args: readonly unknown[]): Promise<T> {
    return this.client.readContract({ ...contract, functionName, args }) as Promise<T>;
  }

  /** Throws with the contract's error when it is refused. */
  async send(
    contract: TestContract,
    functionName: string,
    args: readonly unknown[],
    { from = HOLDER }: SendOptions = {},
  ): Promise<TransactionReceipt> {
    await this.client.simulateContract({ ...contract, functionName, args, account: from });
    // Not estimated: an estimate may be of another block than the one that runs it.
    const hash = await this.client.writeContract({ ...contract, functionName, args, account: from, gas: SEND_GAS });
    return this.client.waitForTransactionReceipt({ hash });
  }

  /** A finalize certificate of `block`, unless the options say otherwise. */
  certify(
    { number, ...rest }: Header,
    validators: readonly TestValidator[],
    {
      kind = KIND.finalize,
      epoch = Number(number / this.epochBlocks),
      view = baseView(epoch) + Number(number) + 7,
      parentView = view - 1,
      signers = validators.map((_, i) => i),
      setHash = setOf(validators).hash,
      chainId = CHAIN_ID,
      l1Contract = this.oracle.address,
    }: CertifyOptions = {},
  ): L1Certificate {
    const subject = { kind, epoch, view, parentView, block: hashHeader({ number, ...rest }) };
    const digest = voteDigest({ chainId, l1Contract: hexToBytes(l1Contract) }, setHash, subject);
    const signature = blsAggregate(signers.map((i) => blsSign(validators[i]!.secret, digest)));
    return {
      epoch: BigInt(epoch),
      viewNumber: BigInt(view),
      parentView: BigInt(parentView),
      bitmap: bytesToHex(bitmapOf(signers, validators.length)),
      signature: bytesToHex(blsSignatureForEvm(signature!)),
    };
  }

  /** Records a block in the inbox, as the last of a batch. */
  post(header: Header): Promise<TransactionReceipt> {
    return this.send(this.inbox, "post", [header.number, bytesToHex(hashHeader(header)), "0xb47c"]);
  }

  propose(headers: readonly Header[], certificate: L1Certificate): Promise<TransactionReceipt> {
    return this.send(this.oracle, "proposeOutput", [proposal(headers, certificate)]);
  }

  /** The whole way of an output: made, certified by all, posted, proposed. */
  async output(
    number: bigint,
    validators: readonly TestValidator[],
    parts: Partial<Header> = {},
    descendants = 0,
  ): Promise<TransactionReceipt> {
    const path = testPath(number, descendants, parts);
    const certified = path.at(-1)!;
    await this.post(certified);
    return this.propose(path, this.certify(certified, validators));
  }

  /** The last block of `epoch` becomes an output; it names the set with this hash for the next one. */
  endEpoch(epoch: bigint, validators: readonly TestValidator[], nextSet: Uint8Array): Promise<TransactionReceipt> {
    return this.output((epoch + 1n) * this.epochBlocks - 1n, validators, { extraData: nextSet });
  }

  /** Stakes with the account that the validator names, which must be one of anvil's. */
  async register({ account, publicKey, proof, stake }: TestValidator): Promise<TransactionReceipt> {
    const from = ANVIL_ACCOUNTS.find(({ address }) => address === account)!;
    if (from !== HOLDER) await this.send(this.token, "transfer", [account, stake]);
    await this.send(this.token, "approve", [this.registry.address, stake], { from });
    return this.send(this.registry, "register", [publicKey, proof, stake], { from });
  }

  async pass(seconds: number): Promise<void> {
    await this.client.increaseTime({ seconds });
    await this.client.mine({ blocks: 1 });
  }

  balanceOf(account: Address): Promise<bigint> {
    return this.read<bigint>(this.token, "balanceOf", account);
  }
}

/** As the registry takes it: one vote, signed by the validator for this network. */
export function testVote(
  world: OracleWorld,
  { secret }: TestValidator,
  setHash: Uint8Array,
  subject: Subject,
  { chainId = CHAIN_ID, l1Contract = world.oracle.address }: Pick<CertifyOptions, "chainId" | "l1Contract"> = {},
) {
  const { view, block, ...rest } = subject;
  const digest = voteDigest({ chainId, l1Contract: hexToBytes(l1Contract) }, setHash, subject);
  return {
    subject: { ...rest, viewNumber: BigInt(view), block: bytesToHex(block) },
    signature: bytesToHex(blsSignatureForEvm(blsSign(secret, digest))),
  };
}

export const proposal = (headers: readonly Header[], certificate: L1Certificate) => ({
  headers: headers.map((header) => bytesToHex(encodeHeader(header))),
  certificate,
});
