/**
 * Bugs that the simulator has to find, planted one at a time into the production code or into the driver. `seed` is the
 * first one that finds it; it changes with whatever changes the worlds, and `npm run sim -- --mutants` says the new one.
 */
export interface Patch {
  /** From the root of the repository. */
  readonly file: string;
  /** Occurs exactly once. */
  readonly from: string;
  readonly to: string;
}

export interface Mutant {
  readonly name: string;
  readonly patches: readonly Patch[];
  /** Rules that are not looked at, so that the bug is found by what it does and not by where it is. */
  readonly muted?: readonly string[];
  /** Validators of the seeds it is looked for in. */
  readonly active?: number;
  /** Looked for in seeds of whole nodes. */
  readonly isWhole?: boolean;
  /** Without one, it is a bug of the signatures themselves: see bls.ts. */
  readonly seed?: number;
}

const SIMPLEX = "consensus/simplex.ts";
const GUARD = "isSameSubject(signed, subject) || isSlashable(signed, subject)";

/** Rules that look at a signature where it is made, before it has done any harm. */
const AT_THE_SOURCE = ["durability", "rule 4"];

export const MUTANTS: readonly Mutant[] = [
  {
    name: "finalize-after-nullify",
    patches: [
      {
        file: SIMPLEX,
        from: GUARD,
        to: `isSameSubject(signed, subject) || (subject.kind !== KIND.finalize && isSlashable(signed, subject))`,
      },
    ],
    active: 4,
    seed: 1,
  },
  {
    name: "nullify-after-finalize",
    patches: [
      // It gives up on the view before, too, as long as that is not final.
      {
        file: SIMPLEX,
        from: "if (nowMs >= dueMs + patienceMs) this.#nullify(round);",
        to: `if (nowMs >= dueMs + patienceMs) {
      this.#nullify(round);
      const last = this.#views.get(this.view - 1);
      if (last !== undefined && this.finalized.view < last.view) this.#nullify(last);
    }`,
      },
      {
        file: SIMPLEX,
        from: GUARD,
        to: `isSameSubject(signed, subject) || (subject.kind !== KIND.nullify && isSlashable(signed, subject))`,
      },
    ],
    active: 4,
    seed: 2,
  },
  {
    name: "notarize-after-finalize-on-restart",
    patches: [
      {
        file: SIMPLEX,
        from: "this.#views.at(subject.view).sign(subject);",
        to: "if (subject.kind === KIND.finalize) this.#views.at(subject.view).sign(subject);",
      },
      {
        file: SIMPLEX,
        from: "if (round.hasVoted) return;\n    if (round.phase",
        to: "if (round.signed.some(({ kind }) => kind !== KIND.finalize)) return;\n    if (round.phase",
      },
      {
        file: SIMPLEX,
        from: "if (round.hasVoted || round.proposal",
        to: "if (round.signed.some(({ kind }) => kind !== KIND.finalize) || round.proposal",
      },
      {
        file: SIMPLEX,
        from: GUARD,
        to: `isSameSubject(signed, subject) || (subject.kind !== KIND.notarize && isSlashable(signed, subject))`,
      },
    ],
    muted: AT_THE_SOURCE,
    active: 4,
    seed: 5,
  },
  {
    name: "quorum-2f",
    patches: [
      { file: "consensus/validators.ts", from: "3n * stake > 2n * set.totalStake", to: "2n * stake >= set.totalStake" },
    ],
    muted: ["certificate"],
    active: 4,
    seed: 2,
  },
  {
    name: "quorum-of-exactly-two-thirds",
    patches: [
      {
        file: "consensus/validators.ts",
        from: "3n * stake > 2n * set.totalStake",
        to: "3n * stake >= 2n * set.totalStake",
      },
    ],
    active: 4,
    seed: 6,
  },
  {
    name: "duplicate-signer-counted",
    patches: [
      {
        file: "consensus/ballots.ts",
        from: "!(this.has(vote) || (kept.verified && this.#accused.has(vote.signer)))",
        to: "!(kept.verified && this.#accused.has(vote.signer))",
      },
      {
        file: "consensus/ballots.ts",
        from: "const isRival = kept.vote.kind === vote.kind;",
        to: "const isRival = kept.vote.kind === vote.kind && !this.has(vote);",
      },
    ],
    active: 4,
    seed: 1,
  },
  {
    name: "wrong-epochs-stake",
    patches: [
      {
        file: SIMPLEX,
        from: "this.#views = this.#viewsOf(epoch, set, base, tip, []);",
        to: `const old = this.set;
    const validators = set.validators.map((v, i) => ({ ...v, stake: old.validators[i]?.stake ?? v.stake }));
    this.#views = this.#viewsOf(epoch, { ...set, validators, totalStake: old.totalStake }, base, tip, []);`,
      },
    ],
    active: 4,
    seed: 9,
  },
  {
    name: "validator-set-not-switched",
    patches: [
      {
        file: SIMPLEX,
        from: "this.#views = this.#viewsOf(epoch, set, base, tip, []);",
        to: "this.#views = this.#viewsOf(epoch, this.set, base, tip, []);",
      },
    ],
    active: 4,
    seed: 1,
  },
  {
    name: "epoch-runs-over",
    patches: [
      {
        file: SIMPLEX,
        from: "if (!this.#isLast(parent.height) || parent.view === this.#views.base.view) {",
        to: "if (parent.height >= 0) {",
      },
      { file: SIMPLEX, from: 'if (!isOfEpoch) round.phase = "invalid";', to: "" },
    ],
    active: 4,
    seed: 9,
  },
  {
    name: "skipped-views-unchecked",
    patches: [
      {
        file: "consensus/views.ts",
        from: 'if (this.#rounds.get(view)?.nullification === undefined) return "unknown";',
        to: "",
      },
    ],
    muted: AT_THE_SOURCE,
    active: 4,
    seed: 614,
  },
  {
    name: "certificate-in-proposal-unverified",
    patches: [
      {
        file: SIMPLEX,
        from: "const problem = verifyCertificate(",
        to: "const problem = from === undefined ? undefined : verifyCertificate(",
      },
    ],
    active: 4,
    seed: 52,
  },
  {
    name: "send-before-fsync",
    patches: [
      {
        file: "test/sim/node.ts",
        from: "this.log.append(records, () => {",
        to: "this.log.append(records, () => {});\n    this.#later(0, () => {",
      },
    ],
    muted: AT_THE_SOURCE,
    active: 4,
    seed: 8,
  },
  {
    name: "votes-not-logged",
    patches: [
      {
        file: "test/sim/node.ts",
        from: 'const records: WalRecord[] = [{ type: "vote", subject }];',
        to: 'const records: WalRecord[] = [{ type: "tip", epoch: 0, view: 0, height: 0, block: subject.block }];',
      },
    ],
    muted: AT_THE_SOURCE,
    active: 4,
    seed: 5,
  },
  {
    name: "signs-again-on-replay",
    patches: [{ file: SIMPLEX, from: "this.#views.at(subject.view).sign(subject);", to: "" }],
    muted: AT_THE_SOURCE,
    active: 4,
    seed: 5,
  },
  {
    name: "torn-tail-kept",
    patches: [{ file: "test/sim/log.ts", from: "    this.#length = end;\n", to: "" }],
    muted: AT_THE_SOURCE,
    active: 4,
    seed: 8,
  },
  {
    name: "torn-tail-believed",
    patches: [
      {
        file: "consensus/frames.ts",
        from: "return equalsBytes(expected, bytes.subarray(at + 8, at + FRAME_HEAD_BYTES)) ? payload : undefined;",
        to: "return expected.length > 0 ? payload : undefined;",
      },
    ],
    active: 4,
    seed: 14,
  },
  {
    name: "late-vote-lost",
    patches: [
      {
        file: SIMPLEX,
        from: "return this.#views.isTimely(vote) && vote.signer",
        to: "return vote.view >= this.view && this.#views.isTimely(vote) && vote.signer",
      },
    ],
    muted: ["evidence"],
    active: 4,
    seed: 3,
  },
  {
    name: "split-certificates-halt",
    patches: [
      {
        file: "consensus/round.ts",
        from: "if (this.certificateFor(certificate.kind) !== undefined) return false;",
        to: "if (this.isOver && certificate.kind !== KIND.finalize) return false;",
      },
    ],
    active: 4,
    seed: 32,
  },
  {
    name: "unbounded-future-views",
    patches: [{ file: "consensus/views.ts", from: " && view <= this.current + FUTURE_VIEWS", to: "" }],
    active: 4,
    seed: 13,
  },
  {
    name: "old-epoch-vote-replayed",
    patches: [
      // Neither the epoch nor the set is signed, and a view is signed by its number in the epoch.
      { file: "consensus/scheme.ts", from: "put(3, epoch);", to: "put(3, epoch * 0);" },
      { file: "consensus/scheme.ts", from: "message.set(setHash, 4 * 32);", to: "message.fill(0, 4 * 32, 5 * 32);" },
      { file: "consensus/scheme.ts", from: "put(6, view);", to: "put(6, view % 2 ** 32);" },
      { file: "consensus/scheme.ts", from: "put(7, parentView);", to: "put(7, parentView % 2 ** 32);" },
      // And so the checkers read signatures, or every one would be wrong.
      {
        file: "test/sim/proofs.ts",
        from: "this.#digestOf(subject, set)",
        to: "voteDigest(this.#domain, set.hash, subject)",
      },
      {
        file: "test/sim/proofs.ts",
        from: "import type { Domain } from",
        to: "import { voteDigest, type Domain } from",
      },
    ],
    active: 4,
    seed: 17,
  },
  {
    name: "forged-votes-passed-on",
    patches: [
      { file: "consensus/simplex.ts", from: "if (!isVerified && vote.signer === this.#signer) return;", to: "" },
    ],
    active: 4,
    seed: 21,
  },
  {
    name: "unchecked-vote-passed-on",
    patches: [
      {
        file: "test/sim/node.ts",
        from: 'if (message.type === "vote" && !this.#isSigned(message.vote)) return;',
        to: "",
      },
    ],
    active: 4,
    seed: 9,
  },
  {
    name: "proposal-without-block-believed",
    patches: [
      {
        file: "test/sim/node.ts",
        from: "    } else if (keyOf(proposal.parent) === key) {",
        to: "    } else {\n      this.#judge({ type: 'proposal', proposal, from }, message);\n    }\n    if (key === '') {",
      },
    ],
    active: 4,
    seed: 36,
  },
  {
    name: "equivocator-unseen",
    patches: [
      {
        file: "consensus/ballots.ts",
        from: "if (!this.#accused.has(vote.signer) && isSlashable(kept.vote, vote)) {",
        to: "if (!this.#accused.has(vote.signer) && isRival && isSlashable(kept.vote, vote)) {",
      },
    ],
    active: 4,
    seed: 2,
  },
  {
    name: "rogue-key",
    patches: [
      {
        file: "core/bls.ts",
        from: "blsVerify([publicKey], possessionDigest(publicKey), proof);",
        to: "possessionDigest(publicKey).length === 32 && proof.length === 96;",
      },
    ],
  },
  {
    name: "infinity-signature",
    patches: [
      {
        file: "core/bls.ts",
        from: "const point = Signature.fromBytes(signature, true, true);",
        to: "const point = Signature.fromBytes(signature, false, false);",
      },
      {
        file: "core/bls.ts",
        from: "return fastAggregateVerify(digest, publicKeys.map(publicKey), point);",
        to: "return point.toBytes()[0] === 0xc0 || fastAggregateVerify(digest, publicKeys.map(publicKey), point);",
      },
    ],
  },
  {
    name: "infinity-key",
    patches: [
      {
        file: "core/bls.ts",
        from: "    key = PublicKey.fromBytes(bytes, true);",
        to: "    key = PublicKey.fromBytes(bytes, false);",
      },
    ],
  },
  {
    name: "whole-node-forgets-its-votes",
    patches: [
      {
        file: "node/engine/start.ts",
        from: 'votes: records.flatMap((record) => (record.type === "vote" ? [record.subject] : [])),',
        to: "votes: [],",
      },
      {
        file: "node/validator/vote-signer.ts",
        from: "const refusal = guard.check(subject);",
        to: "const refusal = [guard.check(subject)][1];",
      },
    ],
    isWhole: true,
    seed: 6,
  },
];
