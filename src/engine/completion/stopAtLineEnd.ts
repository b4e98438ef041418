import type { StopRule } from "./generated.ts";

/** Single-line mode: other code follows the cursor on its line, so only this line can be completed. */
export const stopAtLineEnd: StopRule = ({ lines }, facts) =>
  facts.mode === "single" && lines[0]!.complete ? lines[0]!.end : undefined;
