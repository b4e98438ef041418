/** Kinds of draft head (jakiro.md sections 1 and 2, and the dense EAGLE-2 head as the baseline), in the order `auto` prefers them. */
export const headKinds = ["jakiro", "jakiro-star", "eagle"] as const;

export type HeadKind = (typeof headKinds)[number];
