/** Governed parameters as the attribution precompile reads them, from the Parameters predeploy's storage. */
import { PARAMETERS_ADDRESS } from "../core/addresses.ts";
import { PARAMETER_SLOTS, type Parameters, PPM } from "../core/parameters.ts";
import { type PrecompileContext, PrecompileRevert } from "../core/precompile.ts";
import { revertReason } from "../core/revert-reason.ts";
import { rootSlot } from "./storage.ts";

const SLOTS = new Map(PARAMETER_SLOTS.map((name, position) => [name, rootSlot(position)]));

/** Not the treasury's percentage, because it receives what is left, nor what the L1 data fee is made of. */
type AttributionParameters = Omit<Parameters, "treasuryPpm" | "l1BaseFeeScalar" | "l1BlobBaseFeeScalar">;
/** What a request fixes. */
type InferenceParameters = Omit<AttributionParameters, "availabilityBondWei">;

/** What an inference's slots can hold. A value outside is a mistake of governance: calls revert until it is mended. */
const RANGES: Readonly<Record<keyof AttributionParameters, readonly [min: bigint, max: bigint]>> = {
  minSpanBytes: [1n, 1024n],
  platformFeeWei: [0n, 2n ** 128n - 1n],
  modelPpm: [0n, PPM],
  stakersPpm: [0n, PPM],
  contributorsPpm: [0n, PPM],
  commitWindowSeconds: [1n, 2n ** 32n - 1n],
  settleWindowSeconds: [0n, 2n ** 24n - 1n],
  stakeMultiple: [0n, 2n ** 32n - 1n],
  availabilityBondWei: [0n, 2n ** 128n - 1n],
};

function readParameter(context: PrecompileContext, name: keyof typeof RANGES): bigint {
  const value = context.loadFrom(PARAMETERS_ADDRESS, SLOTS.get(name)!);
  const [min, max] = RANGES[name];
  if (value < min || value > max) throw outOfRange(name);
  return value;
}

export const loadAvailabilityBond = (context: PrecompileContext): bigint =>
  readParameter(context, "availabilityBondWei");

export function loadParameters(context: PrecompileContext): InferenceParameters {
  const read = (name: keyof InferenceParameters): bigint => readParameter(context, name);
  const parameters = {
    minSpanBytes: read("minSpanBytes"),
    platformFeeWei: read("platformFeeWei"),
    modelPpm: read("modelPpm"),
    stakersPpm: read("stakersPpm"),
    contributorsPpm: read("contributorsPpm"),
    commitWindowSeconds: read("commitWindowSeconds"),
    settleWindowSeconds: read("settleWindowSeconds"),
    stakeMultiple: read("stakeMultiple"),
  };
  if (parameters.modelPpm + parameters.stakersPpm + parameters.contributorsPpm > PPM)
    throw outOfRange("contributorsPpm");
  return parameters;
}

const outOfRange = (name: string): PrecompileRevert =>
  new PrecompileRevert(revertReason(`governed parameter ${name} is out of range`), name);
