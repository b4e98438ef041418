// The engine's exports, from its sources as the command line is built.
import { createRequire } from "node:module";
import { bundle } from "./bundle.mjs";

export const product = createRequire(import.meta.url)(await bundle("engine.ts"));
