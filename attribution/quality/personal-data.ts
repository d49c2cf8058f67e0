/**
 * Patterns of personal data and secrets in bytes, with the checksums that they carry: where and how many, values only masked.
 * It finds forms, not persons: names, addresses and pictures are out of its sight, and a number that looks like a card may
 * be none. Examples that documentation uses (example.com, 555-0100, test cards, RFC 5737 and 3849) do not count.
 */
import { isPublicIpv4, isPublicIpv6 } from "./internet-address.ts";
import { LISTED } from "./thresholds.ts";

/** Gravest first: of two that overlap the graver counts. */
const KINDS = ["private-key", "api-token", "iban", "payment-card", "e-mail", "phone", "ipv6", "ipv4"] as const;
export type PersonalDataKind = (typeof KINDS)[number];

export interface PersonalDataItem {
  readonly kind: PersonalDataKind;
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
  /** At most the first four characters; the rest as stars, at most eight. */
  readonly masked: string;
}

export interface PersonalData {
  readonly counts: Readonly<Partial<Record<PersonalDataKind, number>>>;
  /** The first ones of the content. */
  readonly items: readonly PersonalDataItem[];
}

interface Hit {
  readonly kind: PersonalDataKind;
  readonly offset: number;
  readonly length: number;
}

/** Time linear in the content: every pattern is bounded, and begins at something rare. */
export function findPersonalData(content: Uint8Array): PersonalData {
  // One character a byte, so positions are offsets.
  const text = Buffer.from(content.buffer, content.byteOffset, content.length).toString("latin1");
  const hits = [...secrets(text), ...ibans(text), ...cards(text), ...emails(text), ...phones(text), ...addresses(text)];
  hits.sort((a, b) => a.offset - b.offset || KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) || b.length - a.length);
  const kept: Hit[] = [];
  for (const hit of hits) {
    const last = kept.at(-1);
    const overlaps = last !== undefined && hit.offset < last.offset + last.length;
    if (!overlaps) kept.push(hit);
    else if (KINDS.indexOf(hit.kind) < KINDS.indexOf(last.kind)) kept[kept.length - 1] = hit;
  }
  const counts: Partial<Record<PersonalDataKind, number>> = {};
  for (const kind of KINDS) {
    const count = kept.reduce((sum, hit) => (hit.kind === kind ? sum + 1 : sum), 0);
    if (count > 0) counts[kind] = count;
  }
  const items = kept
    .slice(0, LISTED.personalData)
    .map((hit) => ({ ...hit, masked: mask(text.slice(hit.offset, hit.offset + hit.length)) }));
  return { counts, items };
}

function mask(value: string): string {
  const shown = Math.min(4, Math.floor(value.length / 4));
  return value.slice(0, shown).replaceAll(/[^\x20-\x7e]/g, "?") + "*".repeat(Math.min(8, value.length - shown));
}

function* matches(
  text: string,
  pattern: RegExp,
  kind: PersonalDataKind,
  isOne: (value: string) => boolean = () => true,
) {
  for (const match of text.matchAll(pattern)) {
    if (isOne(match[0])) yield { kind, offset: match.index, length: match[0].length };
  }
}

/** Prefixes that their issuers publish so that scanners find them. */
const TOKENS: readonly RegExp[] = [
  /(?<![\w-])(?:AKIA|ASIA)[A-Z2-7]{16}\b/g,
  /(?<![\w-])gh[opusr]_[A-Za-z0-9]{36}\b/g,
  /(?<![\w-])github_pat_[A-Za-z0-9_]{50,100}\b/g,
  /(?<![\w-])glpat-[A-Za-z0-9_-]{20}\b/g,
  /(?<![\w-])xox[abprs]-[A-Za-z0-9-]{20,100}\b/g,
  /(?<![\w-])[rs]k_live_[A-Za-z0-9]{20,100}\b/g,
  /(?<![\w-])sk-(?:ant-|proj-)?[A-Za-z0-9_-]{40,200}\b/g,
  /(?<![\w-])AIza[A-Za-z0-9_-]{35}\b/g,
  /(?<![\w-])SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}\b/g,
  /(?<![\w-])npm_[A-Za-z0-9]{36}\b/g,
  /(?<![\w-])pypi-AgE[A-Za-z0-9_-]{50,250}\b/g,
  /(?<![\w-])hf_[A-Za-z]{34}\b/g,
  /(?<![\w-])dop_v1_[a-f0-9]{64}\b/g,
  /(?<![\w-])ya29\.[A-Za-z0-9_-]{50,250}\b/g,
  /(?<![\w-])eyJ[A-Za-z0-9_-]{10,1000}\.eyJ[A-Za-z0-9_-]{10,2000}\.[A-Za-z0-9_-]{20,1000}\b/g,
];

function* secrets(text: string): Generator<Hit> {
  // A key has at least some lines: documentation that shows only the first line of one does not count.
  yield* matches(
    text,
    /-----BEGIN (?:[A-Z]{2,10} )?PRIVATE KEY(?: BLOCK)?-----[\sA-Za-z0-9+/=:,-]{100}/g,
    "private-key",
  );
  for (const token of TOKENS) yield* matches(text, token, "api-token", (value) => new Set(value).size > 10);
}

const LOCAL = /[A-Za-z0-9._%+-]/;

function* emails(text: string): Generator<Hit> {
  for (let at = text.indexOf("@"); at >= 0; at = text.indexOf("@", at + 1)) {
    let start = at;
    while (start > 0 && at - start < 64 && LOCAL.test(text[start - 1]!)) start--;
    const local = text.slice(start, at).replace(/^[^A-Za-z0-9]+/, "");
    const domain = /^(?:[A-Za-z0-9][A-Za-z0-9-]{0,62}\.){1,5}[A-Za-z]{2,24}(?![A-Za-z0-9-])/.exec(
      text.slice(at + 1, at + 256),
    )?.[0];
    if (local === "" || domain === undefined || isExampleMail(local.toLowerCase(), domain.toLowerCase())) continue;
    yield { kind: "e-mail", offset: at - local.length, length: local.length + 1 + domain.length };
  }
}

const isExampleMail = (local: string, domain: string): boolean =>
  /^(git|no-?reply)$/.test(local) ||
  /(^|\.)(example|test|invalid|localhost|local|example\.(com|org|net))$/.test(domain) ||
  /\.(js|ts|json|md|png|jpg|svg|html|css|py|rs|go)$/.test(domain);

function* phones(text: string): Generator<Hit> {
  const isReal = (value: string): boolean => {
    const digits = value.replaceAll(/\D/g, "");
    // Numbers for fiction, and numbers that somebody made up.
    return !/55501\d\d$/.test(digits) && new Set(digits).size > 3 && !"012345678901234567890".includes(digits);
  };
  yield* matches(text, /(?<![\w.+-])\+[1-9](?:[ .()/-]{0,2}\d){7,14}(?!\w)/g, "phone", isReal);
  yield* matches(text, /(?<![\w.+/-])(?:\(\d{3}\) ?|\d{3}-)\d{3}-\d{4}(?![\w-])/g, "phone", isReal);
  const named =
    /(?<![a-z])(?:tel|phone|mobile?|telefon|fon|fax|handy)[a-z]{0,6}[.:]{1,2} {0,3}(\(?0[\d()/ .-]{6,18}\d)(?!\w)/gi;
  for (const match of text.matchAll(named)) {
    if (isReal(match[1]!))
      yield { kind: "phone", offset: match.index + match[0].length - match[1]!.length, length: match[1]!.length };
  }
}

/** Characters of an IBAN by country (SWIFT's registry). */
const IBAN_LENGTHS: Readonly<Record<string, number>> = Object.fromEntries(
  (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 FO18 " +
    "FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 " +
    "LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24 SI19 SK24 SM27 " +
    "ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20"
  )
    .split(" ")
    .map((item) => [item.slice(0, 2), Number(item.slice(2))]),
);

function* ibans(text: string): Generator<Hit> {
  for (const match of text.matchAll(/(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?= ?[A-Z0-9])/g)) {
    const length = IBAN_LENGTHS[match[0].slice(0, 2)];
    if (length === undefined) continue;
    let end = match.index;
    let value = "";
    while (value.length < length && /[A-Z0-9]/.test(text[end] ?? "")) {
      value += text[end++];
      if (value.length < length && text[end] === " ") end++;
    }
    if (value.length < length || /[A-Za-z0-9]/.test(text[end] ?? "") || !isIban(value)) continue;
    yield { kind: "iban", offset: match.index, length: end - match.index };
  }
}

/** ISO 13616: the first four characters to the end, letters as 10 to 35, modulo 97 is 1. */
function isIban(value: string): boolean {
  let rest = 0;
  for (const character of value.slice(4) + value.slice(0, 4)) {
    const number = Number.parseInt(character, 36);
    rest = (rest * (number > 9 ? 100 : 10) + number) % 97;
  }
  return rest === 1;
}

/** Numbers that processors publish for tests. */
const TEST_CARDS =
  /^(4111111111111111|4242424242424242|40000000000000\d\d|4012888888881881|5555555555554444|5105105105105100|2223003122003222|378282246310005|371449635398431|30569309025904|38520000023237|6011111111111117|6011000990139424|3530111333300000|3566002020360505)$/;
const CARD =
  /^(4\d{15}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|6(?:011|5\d\d|4[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14,17})$/;

function* cards(text: string): Generator<Hit> {
  yield* matches(text, /(?<![\w.+-])\d(?:[ -]?\d){12,18}(?![\w-]|\.\d)/g, "payment-card", (value) => {
    const digits = value.replaceAll(/\D/g, "");
    return CARD.test(digits) && !TEST_CARDS.test(digits) && new Set(digits).size > 3 && isLuhn(digits);
  });
}

/** ISO/IEC 7812-1 annex B. */
function isLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits[digits.length - 1 - i]);
    sum += i % 2 === 0 ? digit : digit > 4 ? digit * 2 - 9 : digit * 2;
  }
  return sum % 10 === 0;
}

function* addresses(text: string): Generator<Hit> {
  yield* matches(text, /(?<![\w.+-])(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)/g, "ipv4", isPublicIpv4);
  yield* matches(text, /(?<![\w:.])[23][0-9a-f]{3}:[0-9a-f:]{2,34}(?![\w:])/gi, "ipv6", isPublicIpv6);
}
