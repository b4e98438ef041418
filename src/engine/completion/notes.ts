/** What the user should know of how a model was asked, in English; front ends that speak other languages go by the names. */
const sentences = {
  noInfilling: "This model has no infilling tokens: it completes from the text before the cursor alone.",
  nothingBefore: "This model can only go on from the text before the cursor, and there is none.",
  noChat: "This model has no chat format: it goes on from your instruction as a comment.",
  cutAbove: "The file is longer than the prompt may be: text far above the cursor was left out.",
  cutBelow: "The file is longer than the prompt may be: text far below the cursor was left out.",
  cutAround: "The file is longer than the prompt may be: text far from the cursor was left out.",
} as const;

export type Note = keyof typeof sentences;

/** The notes in one line of English; undefined without any. */
export function noteText(notes: readonly Note[]): string | undefined {
  return notes.length === 0 ? undefined : notes.map((note) => sentences[note]).join(" ");
}
