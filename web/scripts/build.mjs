import { join } from "node:path";
import { bundle, root } from "./bundle.mjs";

await bundle(join(root, "dist"));
