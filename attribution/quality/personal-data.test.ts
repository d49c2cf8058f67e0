import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isPublicIpv4, isPublicIpv6 } from "./internet-address.ts";
import { findPersonalData } from "./personal-data.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const counts = (text: string) => findPersonalData(utf8(text)).counts;
const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

describe("what counts", () => {
  // Secrets are put together here so that no scanner takes this file for a leak.
  const key = `-----BEGIN ${"RSA "}PRIVATE KEY-----\n${"MIIEpAIBAAKCAQEA7bq0".repeat(10)}\n`;
  it.each([
    ["an e-mail", "write to jane.doe+list@mail.acme.org today", { "e-mail": 1 }],
    ["e-mails in a list", "<a.b@acme.org>, c@d-e.co.uk;", { "e-mail": 2 }],
    ["a phone number with country code", "ring +49 (0)30 901820-17 now", { phone: 1 }],
    ["a phone number of North America", "call (212) 736-5000 or 212-736-5001", { phone: 2 }],
    ["a national phone number with its name", "Telefon: 030 / 9018 2017", { phone: 1 }],
    ["an IBAN in groups", "to DE89 3704 0044 0532 0130 00 please", { iban: 1 }],
    ["an IBAN without groups", "GB82WEST12345698765432,", { iban: 1 }],
    ["payment cards", "4539 5787 6362 1486 and 6011-5140-3391-8214", { "payment-card": 2 }],
    ["an IPv4 address in a URL", "http://52.94.236.248/x 8.8.4.100:53", { ipv4: 2 }],
    ["an IPv6 address", "from [2a00:1450:4001:82b::200e]", { ipv6: 1 }],
    ["a private key", `x\n${key}`, { "private-key": 1 }],
    ["an access key", `id=${"AKIA"}${"IOSFODNN7REALKEYX".slice(0, 16).replaceAll(/[0189]/g, "Q")}`, { "api-token": 1 }],
    ["a token of GitHub", `${"ghp_"}${"a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"}`, { "api-token": 1 }],
  ])("%s", (_, text, expected) => expect(counts(text)).toEqual(expected));
});

describe("what does not count", () => {
  it.each([
    ["mail of documentation", "me@example.com you@sub.example.org git@github.com x@y.test"],
    ["a package with its version", "lodash@4.17.21, @types/node@20.1.0, a@b.js"],
    ["numbers for fiction", "(212) 555-0134, +1 415 555 0199"],
    ["a date, a version, a sum", "2024-01-02 10:11:12, 1.2.3.4, 10.0.19041.1234, 123-45"],
    ["an IBAN with a wrong digit", "DE89 3704 0044 0532 0130 01"],
    ["an IBAN that goes on", "GB82WEST12345698765432X"],
    ["a card with a wrong digit", "4539 5787 6362 1487"],
    ["a card for tests", "4242 4242 4242 4242, 4111-1111-1111-1111"],
    ["digits within a longer number or hex", "0x4539578763621486 45395787636214864539578763621486"],
    [
      "addresses of documentation and of private networks",
      "192.0.2.7 198.51.100.1 203.0.113.9 192.168.1.20 10.0.0.1 127.0.0.1",
    ],
    ["IPv6 of documentation, loopback, a C++ name", "2001:db8::1 ::1 fe80::1 3fff:123::1 std::dead::beef 2001::std"],
    ["the first line of a key alone", "paste it after -----BEGIN PRIVATE KEY----- and save"],
    ["a token that is a placeholder", `ghp_${"x".repeat(36)}`],
  ])("%s", (_, text) => expect(counts(text)).toEqual({}));
});

it("gives byte positions in text that is not ASCII, and masks values", () => {
  const content = utf8("Größe: jane@acme.org");
  const { items } = findPersonalData(content);
  expect(items).toEqual([{ kind: "e-mail", offset: utf8("Größe: ").length, length: 13, masked: "jan********" }]);
});

it("counts all and lists the first 20", () => {
  const { counts: all, items } = findPersonalData(utf8("jane@acme.org ".repeat(30)));
  expect(all).toEqual({ "e-mail": 30 });
  expect(items.map(({ offset }) => offset)).toEqual(Array.from({ length: 20 }, (_, i) => i * 14));
});

it("never shows a whole value, and answers any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (content) => {
      for (const item of findPersonalData(content).items)
        expect(item.masked.replaceAll("*", "").length).toBeLessThan(item.length);
    }),
    { numRuns: 300 },
  );
});

it("stays linear on texts made against its patterns", () => {
  for (const unit of [
    "@",
    "a@",
    "-eyJ",
    "+1 2 3 4 5 6 7",
    "1 ",
    "1.1.1.1.",
    "2000:",
    "AD24 ",
    "tel: 0",
    "-----BEGIN PRIVATE KEY-----",
  ]) {
    // Quadratic time would be a minute or more.
    findPersonalData(bytes(unit.repeat(150_000 / unit.length)));
  }
});

it("addresses: whole form, dots and colons", () => {
  expect(["256.1.1.1", "1.1.1", "01.2.3.44", "52.94.236.248"].map(isPublicIpv4)).toEqual([false, false, false, true]);
  expect(
    ["2a00::1", "2a00:::1", "2a00::1::2", "2a00:1:2:3:4:5:6:7", "2a00:1:2:3:4:5:6:7:8", "2a00"].map(isPublicIpv6),
  ).toEqual([true, false, false, true, false, false]);
});
