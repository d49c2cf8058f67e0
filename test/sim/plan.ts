/** What a seed draws before its world begins: who is in it, how it is timed, and how much goes wrong. */
import type { Random } from "./random.ts";

/** A seed is this many simulated milliseconds, with faults up to `HEAL_MS`. */
export const HEAL_MS = 40_000;
export const END_MS = 60_000;

export const BEHAVIOURS = ["silent", "twins", "liar", "mutator", "withholder", "splitter", "flooder"] as const;
export type Behaviour = (typeof BEHAVIOURS)[number];

export interface Plan {
  /** Validators of an epoch. */
  readonly active: number;
  /** Members that wait for their turn. */
  readonly spare: number;
  readonly rotates: boolean;
  readonly maxStake: number;
  /** What each Byzantine member does; several things at once. */
  readonly byzantine: readonly (readonly Behaviour[])[];
  /** How often a Byzantine member acts on its own, in ms. */
  readonly attackEveryMs: number;
  readonly observers: number;
  readonly epochBlocks: number;
  readonly timing: { readonly intervalMs: number; readonly heartbeatMs: number; readonly deltaMs: number };
  readonly network: {
    readonly lossRate: number;
    readonly duplicateRate: number;
    readonly delayMs: number;
    readonly tailRate: number;
    readonly tailMs: number;
    readonly partitionEveryMs: number;
    readonly partitionMs: number;
    readonly oneWayRate: number;
    /** Each message that is news goes on to each further peer with this probability. */
    readonly relayRate: number;
    /** Whether every message is encoded and decoded on its way. */
    readonly isEncoded: boolean;
  };
  readonly disk: {
    readonly syncMs: number;
    readonly slowRate: number;
    readonly slowMs: number;
    readonly rotateBytes: number;
  };
  readonly crash: {
    readonly everyMs: number;
    /** At each effect, between the halves of a persisted vote, in the middle of a broadcast. */
    readonly atEffectRate: number;
    readonly atPersistRate: number;
    readonly downMs: number;
  };
  readonly clock: { readonly offsetMs: number; readonly driftPpm: number; readonly jumpEveryMs: number };
  readonly work: { readonly buildMs: number; readonly validateMs: number; readonly failRate: number };
  /** Mean time between transactions. */
  readonly loadEveryMs: number;
  readonly pauseSigning: boolean;
  /** Whether a node that starts signs nothing until it knows that no peer is ahead. */
  readonly waitsForPeers: boolean;
}

/** Never. */
const NEVER = Number.POSITIVE_INFINITY;

export function drawPlan(random: Random, active: number): Plan {
  const rotates = random.chance(0.5);
  const deltaMs = random.pick([100, 200, 400]);
  const byzantineCount = random.between(0, Math.floor((active - 1) / 3));
  // On calm seeds one kind of fault stands alone, which reaches states that constant noise never lets a node reach.
  const noise = random.pick([0, 0.3, 1, 1]);
  const rate = (max: number): number => (random.chance(0.3) ? 0 : random.real() * max * noise);
  const isCrashing = random.chance(0.7);
  return {
    active,
    spare: rotates ? random.between(0, 2) : 0,
    rotates,
    maxStake: random.pick([1, 1, 3, 100]),
    byzantine: Array.from({ length: byzantineCount }, () => drawBehaviours(random)),
    attackEveryMs: random.pick([50, 150, 400]),
    observers: random.chance(0.3) ? 1 : 0,
    epochBlocks: random.between(3, 20),
    timing: {
      intervalMs: random.pick([50, 250, 500, 1_000, 1_000]),
      heartbeatMs: random.pick([1_000, 2_000]),
      deltaMs,
    },
    network: {
      lossRate: rate(0.4),
      duplicateRate: rate(0.2),
      delayMs: random.between(1, deltaMs / 4),
      tailRate: rate(0.2),
      tailMs: random.between(deltaMs, 20 * deltaMs),
      partitionEveryMs: random.chance(0.5) ? random.between(1_000, 10_000) : NEVER,
      partitionMs: random.between(200, 5_000),
      relayRate: random.chance(0.4) ? 0.1 : 0,
      oneWayRate: random.pick([0, 0.5, 1]),
      isEncoded: random.chance(0.1),
    },
    disk: {
      syncMs: random.between(0, deltaMs / 8),
      slowRate: rate(0.1),
      slowMs: random.between(deltaMs, 10 * deltaMs),
      rotateBytes: random.pick([1_024, 8_192, 65_536]),
    },
    crash: {
      everyMs: isCrashing && random.chance(0.7) ? random.between(2_000, 20_000) : NEVER,
      atEffectRate: isCrashing ? rate(0.004) : 0,
      atPersistRate: isCrashing ? rate(0.03) : 0,
      downMs: random.pick([100, 1_000, 6_000]),
    },
    clock: {
      offsetMs: random.pick([0, 50, 2_000]),
      driftPpm: random.pick([0, 200, 10_000]),
      jumpEveryMs: random.chance(0.2) ? random.between(3_000, 20_000) : NEVER,
    },
    work: { buildMs: random.between(0, deltaMs / 8), validateMs: random.between(0, deltaMs / 8), failRate: rate(0.1) },
    loadEveryMs: random.pick([50, 300, 3_000]),
    pauseSigning: random.chance(0.15),
    waitsForPeers: random.chance(0.3),
  };
}

function drawBehaviours(random: Random): Behaviour[] {
  const first = random.pick(BEHAVIOURS);
  // One attack at full force, or a mixture.
  return random.chance(0.4) ? [first] : [...new Set([first, random.pick(BEHAVIOURS), random.pick(BEHAVIOURS)])];
}
