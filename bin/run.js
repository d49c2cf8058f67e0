"use strict";
// `node bin/run.js FILE.ts [args]`: what npm scripts use, so that each of them works on a fresh machine.
var path = require("path");
require("./runtime.js").run(path.resolve(process.argv[2]), process.argv.slice(3));
