import { expect, it } from "vitest";
import { licenceCode } from "../../core/licences.ts";
import { checkLicence } from "./licence-check.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const check = (text: string, declared: string, datanet?: string) =>
  checkLicence(utf8(text), licenceCode(declared), datanet === undefined ? undefined : licenceCode(datanet));
const found = (text: string, declared: string) =>
  check(text, declared).found.map(({ spdx, by, isAllowed }) => [spdx, by, isAllowed]);

const MIT = `Permission is hereby granted, free of charge, to any person obtaining a copy
 * of this software and associated documentation files (the "Software"), to deal`;
const GPL3 = `# This program is free software: you can redistribute it and/or modify
# it under the terms of the GNU General Public License as published by
# the Free Software Foundation, either version 3 of the License, or`;

it("asks the registry whether the declared licence allows the Datanet's", () => {
  expect(check("text", "MIT", "CC-BY-4.0")).toMatchObject({
    declared: "MIT",
    datanet: "CC-BY-4.0",
    allowsDatanet: true,
  });
  expect(check("text", "GPL-3.0", "MIT").allowsDatanet).toBe(false);
  expect(check("text", "Unheard-of", "MIT")).toMatchObject({ declared: "NONE", allowsDatanet: false });
  expect(check("text", "MIT")).toMatchObject({ datanet: undefined, allowsDatanet: true });
});

it("reads SPDX headers, with AND, OR, WITH and the ends of comments", () => {
  expect(found("// SPDX-License-Identifier: MIT", "Apache-2.0")).toEqual([["MIT", "header", true]]);
  expect(found("/* SPDX-License-Identifier: GPL-3.0-or-later */", "MIT")).toEqual([
    ["GPL-3.0-or-later", "header", false],
  ]);
  expect(found("SPDX-License-Identifier: (GPL-2.0-only OR MIT)\n", "MIT")).toEqual([
    ["(GPL-2.0-only OR MIT)", "header", true],
  ]);
  expect(found("SPDX-License-Identifier: MIT AND GPL-3.0-only", "MIT")[0]?.[2]).toBe(false);
  expect(found("SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception", "MIT")[0]?.[2]).toBe(true);
  expect(found("SPDX-License-Identifier: SSPL-1.0", "MIT")).toEqual([["SSPL-1.0", "header", false]]);
});

it("recognises licence texts across lines and comment signs, and says where they begin", () => {
  expect(found(`x\n * ${MIT}`, "MIT")).toEqual([["MIT", "text", true]]);
  expect(check(`ä\n${GPL3}`, "MIT").found).toEqual([
    { spdx: "GPL-3.0", by: "text", offset: utf8(`ä\n${GPL3}`.split("under")[0]!).length, isAllowed: false },
  ]);
  expect(
    found("Redistribution and use in source and binary forms, with or without modification, are permitted", "ISC"),
  ).toEqual([["BSD-2-Clause", "text", true]]);
  expect(found("see https://creativecommons.org/licenses/by-nc/4.0/legalcode", "CC-BY-4.0")).toEqual([
    ["CC-BY-NC-4.0", "text", false],
  ]);
});

it("a text that only speaks of a licence names none", () => {
  expect(found("The GNU General Public License differs from the MIT licence; Apache is a web server.", "MIT")).toEqual(
    [],
  );
});
