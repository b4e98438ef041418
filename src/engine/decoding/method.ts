import { headKinds } from "../model/headKinds.ts";

/** How a text may be decoded; all give the same text. */
export const methods = ["auto", "plain", ...headKinds, "lookup"] as const;

export type Method = (typeof methods)[number];
