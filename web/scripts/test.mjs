// Bundles the tests as the page is bundled, and runs them with Node.js' own test runner.
import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { common, root } from "./bundle.mjs";

const out = await mkdtemp(join(tmpdir(), "weft-web-test-"));
try {
  const tests = (await readdir(join(root, "test"))).filter((name) => name.endsWith(".test.ts"));
  if (tests.length === 0) throw new Error("there are no tests");
  await build({
    ...common,
    entryPoints: tests.map((name) => join(root, "test", name)),
    outdir: out,
    outExtension: { ".js": ".mjs" },
    platform: "node",
    sourcemap: "inline",
  });
  const files = tests.map((name) => join(out, name.replace(/\.ts$/, ".mjs")));
  const run = spawnSync(process.execPath, ["--enable-source-maps", "--test", ...files], { stdio: "inherit" });
  process.exitCode = run.status ?? 1;
} finally {
  await rm(out, { recursive: true, force: true });
}
