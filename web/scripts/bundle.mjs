// Builds the page into a folder: deterministic, so that a committed build can be compared with its source byte by byte.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..");

// What both the page and the tests are bundled with: the SDK is taken from its source.
export const common = {
  absWorkingDir: root,
  bundle: true,
  format: "esm",
  jsx: "automatic",
  jsxImportSource: "preact",
  alias: {
    "@weft/client": join(root, "../client-ts/src/index.ts"),
    // The SDK's only dependency, from here: its own folder may have none installed.
    "tus-js-client": join(root, "node_modules/tus-js-client/lib.esm/browser/index.js"),
  },
  logLevel: "warning",
};

export async function bundle(out) {
  await rm(out, { recursive: true, force: true });
  const result = await build({
    ...common,
    entryPoints: { app: "src/main.tsx", style: "src/style/style.css" },
    outdir: join(out, "assets"),
    entryNames: "[name]-[hash]",
    assetNames: "[name]-[hash]",
    target: ["es2022"],
    minify: true,
    legalComments: "none",
    write: false,
  });
  await mkdir(join(out, "assets"), { recursive: true });
  const assets = {};
  for (const file of result.outputFiles) {
    const name = file.path.slice(join(out, "assets").length + 1);
    await writeFile(join(out, "assets", name), file.contents);
    assets[name.replace(/-[A-Z0-9]{8}(?=\.\w+$)/, "")] = `/assets/${name}`;
  }
  const icon = await readFile(join(root, "src/icon.svg"));
  const hash = createHash("sha256").update(icon).digest("hex").slice(0, 8);
  assets["icon.svg"] = `/assets/icon-${hash}.svg`;
  await writeFile(join(out, assets["icon.svg"]), icon);

  const template = await readFile(join(root, "src/index.html"), "utf8");
  const html = template.replace(/\{\{([\w.]+)\}\}/g, (_, name) => {
    if (!assets[name]) throw new Error(`src/index.html names ${name}, which the build does not make`);
    return assets[name];
  });
  await writeFile(join(out, "index.html"), html);

  // What an installed app needs has names of its own: browsers ask for them by these.
  await mkdir(join(out, "icons"));
  const icons = (await readdir(join(root, "src/icons"))).sort();
  for (const icon of icons) await copyFile(join(root, "src/icons", icon), join(out, "icons", icon));
  await copyFile(join(root, "src/manifest.webmanifest"), join(out, "manifest.webmanifest"));
  const files = [...Object.values(assets).sort(), "/manifest.webmanifest", ...icons.map((icon) => `/icons/${icon}`)];
  await build({
    ...common,
    entryPoints: { sw: "src/sw/worker.ts" },
    outdir: out,
    format: "iife",
    target: ["es2022"],
    minify: true,
    legalComments: "none",
    define: { __FILES__: JSON.stringify(files) },
  });
}
