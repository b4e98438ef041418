/** What editor.mjs uses of this folder; it is bundled for plain Node. */

export { figuresOf } from "./figures.ts";
export { replay } from "./replay.ts";
export { languages, readSittings, shortened } from "./traces.ts";
