// Fails when the committed dist is not what the source builds to: a file differs, lacks, or is there beside.
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { bundle, root } from "./bundle.mjs";

async function files(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const found = new Map();
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath ?? entry.path, entry.name);
    found.set(relative(folder, path), await readFile(path));
  }
  return found;
}

const fresh = await mkdtemp(join(tmpdir(), "weft-web-"));
try {
  await bundle(fresh);
  const want = await files(fresh);
  const have = await files(join(root, "dist"));
  const wrong = [];
  for (const [name, bytes] of want) {
    if (!have.has(name)) wrong.push(`missing: ${name}`);
    else if (!have.get(name).equals(bytes)) wrong.push(`differs: ${name}`);
  }
  for (const name of have.keys()) if (!want.has(name)) wrong.push(`extra: ${name}`);
  if (wrong.length > 0) {
    console.error(`web/dist is not what its source builds to; run npm run build and commit it.\n${wrong.join("\n")}`);
    process.exitCode = 1;
  }
} finally {
  await rm(fresh, { recursive: true, force: true });
}
