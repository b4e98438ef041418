/** One report of a long piece of work; reports of one stage come in order and `done` never exceeds `total`. */
export interface Progress {
  /** What is going on, as a user would say it: "Downloading", "Checking". */
  readonly stage: string;
  readonly done: number;
  readonly total: number;
  readonly unit: "bytes" | "items";
}

export type ProgressListener = (progress: Progress) => void;

/** Stage of a model that is packed for this engine: once, and longer than any other stage. */
export const preparingStage = "Preparing the model";
