/**
 * Whether a contribution's declared licence allows the Datanet's, and whether its bytes say otherwise: SPDX headers and
 * the texts of well-known licences. It recognises words; it is no legal advice and no reading of the law.
 */
import { LICENCES, licenceAllows, licenceCode } from "../../core/licences.ts";
import { LISTED } from "./thresholds.ts";

export interface FoundLicence {
  /** SPDX identifier, as the bytes or the text's name give it. */
  readonly spdx: string;
  readonly by: "header" | "text";
  /** Byte where it is said first. */
  readonly offset: number;
  /** True when content under it may be declared as it was. */
  readonly isAllowed: boolean;
}

export interface LicenceCheck {
  /** SPDX identifiers of the registry (core/licences.ts); "NONE" for code 0. Undefined: nobody was asked. */
  readonly declared: string | undefined;
  /** Undefined: no Datanet is meant. */
  readonly datanet: string | undefined;
  /** False when the declared licence does not allow the Datanet's. */
  readonly allowsDatanet: boolean;
  /** One for each licence that the bytes name, in order of their offsets. */
  readonly found: readonly FoundLicence[];
}

/** Codes as on chain. Without a declared licence nothing contradicts, without a Datanet's nothing conflicts. */
export function checkLicence(
  content: Uint8Array,
  declared: number | undefined,
  datanet: number | undefined,
): LicenceCheck {
  return {
    declared: declared === undefined ? undefined : spdxOf(declared),
    datanet: datanet === undefined ? undefined : spdxOf(datanet),
    allowsDatanet:
      declared === undefined || (declared !== 0 && (datanet === undefined || licenceAllows(declared, datanet))),
    found: licencesIn(content).map((found) => ({
      ...found,
      isAllowed: declared === undefined || permits(found.spdx, declared),
    })),
  };
}

const spdxOf = (code: number): string => LICENCES[code]?.spdx ?? LICENCES[0]!.spdx;

/** Identifiers that say the same as one of the registry. */
const ALIASES: Readonly<Record<string, string>> = {
  "GPL-3.0-only": "GPL-3.0",
  "GPL-3.0-or-later": "GPL-3.0",
  "GPL-3.0+": "GPL-3.0",
  // Whoever has it may take version 3.
  "GPL-2.0-or-later": "GPL-3.0",
  "GPL-2.0+": "GPL-3.0",
  "ODbL-1.0": "ODbL-1.0",
  "PSF-2.0": "Python-2.0",
};
/** Not in the registry, and asking for nothing that a declared licence could break. */
const PERMISSIVE = new Set(["0BSD", "Unlicense", "Zlib", "WTFPL", "BSL-1.0", "X11", "MIT-0", "CC-BY-3.0"]);

/** An SPDX expression under which the content may be declared as `declared`: OR takes any side, AND every one. */
function permits(expression: string, declared: number): boolean {
  return expression.split(/\s+OR\s+/i).some((side) =>
    side.split(/\s+AND\s+/i).every((part) => {
      const id = part
        .replaceAll(/[()]/g, "")
        .replace(/\s+WITH\s+.*$/i, "")
        .trim();
      if (PERMISSIVE.has(id)) return declared !== 0;
      const code = licenceCode(ALIASES[id] ?? id);
      return code !== 0 && licenceAllows(code, declared);
    }),
  );
}

/** Words that only these licences have, in the normal form of `normalise`: lower case, one space between words, nothing else. */
const TEXTS: readonly { readonly spdx: string; readonly words: string; readonly unless?: string }[] = [
  { spdx: "MIT", words: "permission is hereby granted free of charge to any person obtaining a copy of this software" },
  {
    spdx: "ISC",
    words:
      "permission to use copy modify and or distribute this software for any purpose with or without fee is hereby granted provided",
  },
  {
    spdx: "0BSD",
    words:
      "permission to use copy modify and or distribute this software for any purpose with or without fee is hereby granted the software",
  },
  { spdx: "BSD-3-Clause", words: "may be used to endorse or promote products derived from this software" },
  {
    spdx: "BSD-2-Clause",
    words: "redistribution and use in source and binary forms with or without modification are permitted",
    unless: "BSD-3-Clause",
  },
  { spdx: "Apache-2.0", words: "licensed under the apache license version 2 0" },
  { spdx: "Apache-2.0", words: "apache license version 2 0 january 2004" },
  { spdx: "GPL-3.0", words: "gnu general public license version 3 29 june 2007" },
  {
    spdx: "GPL-3.0",
    words:
      "under the terms of the gnu general public license as published by the free software foundation either version 3",
  },
  { spdx: "GPL-2.0-only", words: "gnu general public license version 2 june 1991" },
  {
    spdx: "GPL-2.0-or-later",
    words:
      "under the terms of the gnu general public license as published by the free software foundation either version 2",
  },
  { spdx: "LGPL-3.0", words: "under the terms of the gnu lesser general public license" },
  { spdx: "AGPL-3.0", words: "under the terms of the gnu affero general public license" },
  { spdx: "AGPL-3.0", words: "gnu affero general public license version 3 19 november 2007" },
  { spdx: "MPL-2.0", words: "subject to the terms of the mozilla public license v 2 0" },
  { spdx: "MPL-2.0", words: "mozilla public license version 2 0 1 definitions" },
  { spdx: "CC0-1.0", words: "creativecommons org publicdomain zero 1 0" },
  { spdx: "CC-BY-4.0", words: "creativecommons org licenses by 4 0" },
  { spdx: "CC-BY-SA-4.0", words: "creativecommons org licenses by sa 4 0" },
  { spdx: "CC-BY-NC-4.0", words: "creativecommons org licenses by nc 4 0" },
  { spdx: "CC-BY-NC-SA-4.0", words: "creativecommons org licenses by nc sa 4 0" },
  { spdx: "CC-BY-ND-4.0", words: "creativecommons org licenses by nd 4 0" },
  { spdx: "CC-BY-NC-ND-4.0", words: "creativecommons org licenses by nc nd 4 0" },
  { spdx: "CC-BY-SA-3.0", words: "creativecommons org licenses by sa 3 0" },
  { spdx: "ODbL-1.0", words: "made available under the open database license" },
  { spdx: "Python-2.0", words: "python software foundation license version 2" },
  { spdx: "BlueOak-1.0.0", words: "blue oak model license version 1 0 0" },
  { spdx: "LicenseRef-Proprietary", words: "proprietary and confidential" },
  { spdx: "LicenseRef-Proprietary", words: "may not be reproduced or transmitted in any form" },
];

function licencesIn(content: Uint8Array): Omit<FoundLicence, "isAllowed">[] {
  const text = Buffer.from(content.buffer, content.byteOffset, content.length).toString("latin1");
  const found: Omit<FoundLicence, "isAllowed">[] = [];
  const add = (spdx: string, by: FoundLicence["by"], offset: number): void => {
    if (!found.some((item) => item.spdx === spdx && item.by === by)) found.push({ spdx, by, offset });
  };
  for (const match of text.matchAll(/SPDX-License-Identifier:[ \t]*([A-Za-z0-9.+() -]{1,200})/g)) {
    // What follows in the line may be the end of a comment.
    const expression = /^\(?[A-Za-z0-9.+-]+\)?(?: (?:OR|AND|WITH) \(?[A-Za-z0-9.+-]+\)?)*/i.exec(match[1]!.trim())?.[0];
    if (expression !== undefined) add(expression, "header", match.index);
    if (found.length >= LISTED.licences) break;
  }
  const words = normalise(text);
  for (const { spdx, words: phrase, unless } of TEXTS) {
    if (unless !== undefined && found.some((item) => item.spdx === unless && item.by === "text")) continue;
    const at = words.indexOf(` ${phrase} `);
    if (at >= 0) add(spdx, "text", offsetOf(text, words, at + 1));
  }
  return found.sort((a, b) => a.offset - b.offset);
}

/** Words of ASCII letters and digits in lower case, one space before and after each: comment signs and line breaks are gone. */
const normalise = (text: string): string =>
  ` ${text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, " ")
    .trim()} `;

/** Where the word that begins at `at` of the normal form begins in the text: the same number of letters and digits before it. */
function offsetOf(text: string, normal: string, at: number): number {
  let before = 0;
  for (let i = 0; i < at; i++) if (normal[i] !== " ") before++;
  for (const match of text.matchAll(/[A-Za-z0-9]+/g)) {
    if (before < match[0].length) return match.index + before;
    before -= match[0].length;
  }
  return text.length;
}
