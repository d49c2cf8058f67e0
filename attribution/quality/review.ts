/**
 * Contributions in the order in which they count as earlier, each reported on against those before it. One review holds
 * one index; contents pass through and are not kept.
 */
import type { Hex } from "../../core/bytes.ts";
import { examine } from "./examine.ts";
import { QualityIndex } from "./quality-index.ts";
import { type QualityReport, reportOn, reportOnMissing } from "./report.ts";

export interface Candidate {
  readonly id: string;
  readonly contentRoot: Hex;
  readonly size: number;
  /** Licence code as on chain; undefined: not asked. */
  readonly licence: number | undefined;
}

export class Review {
  readonly #index: QualityIndex;
  readonly #datanetLicence: number | undefined;
  #missing = 0;

  /** `index` of the contributions before: from there on the review goes on with it. */
  constructor(datanetLicence: number | undefined, index = new QualityIndex()) {
    this.#datanetLicence = datanetLicence;
    this.#index = index;
  }

  get index(): QualityIndex {
    return this.#index;
  }

  /** Reports on it and counts it as earlier from now on. Throws QualityIndexError `full`. */
  report(candidate: Candidate, content: Uint8Array): QualityReport {
    const { id, licence } = candidate;
    const examination = examine(content);
    const comparison = this.#index.compare(examination.contentRoot, examination.sketch);
    const report = reportOn({
      id,
      content,
      examination,
      comparison,
      compared: this.#compared(),
      licence,
      datanetLicence: this.#datanetLicence,
    });
    this.#index.add({ id, contentRoot: examination.contentRoot }, examination.sketch);
    return report;
  }

  /** Of a contribution whose content is not to be had: those after it are not compared with it. */
  missing({ id, contentRoot, size }: Candidate, why: string): QualityReport {
    const report = reportOnMissing(id, contentRoot, size, why, this.#compared());
    this.#missing++;
    return report;
  }

  #compared(): QualityReport["compared"] {
    return { contributions: this.#index.contents.length, missing: this.#missing };
  }
}
