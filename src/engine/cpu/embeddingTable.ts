import type { Checkpoint } from "../model/checkpoint.ts";

/** Rows that are kept: 7 MB for the default model. A text's own tokens, and what is drafted for it, are far fewer. */
const keptRows = 2048;

/** Embeddings by token, read from the model file; a row that was read lately costs no file access. */
export class EmbeddingTable {
  /** The longest known row first. */
  private readonly known = new Map<number, Float32Array>();

  constructor(private readonly checkpoint: Checkpoint) {}

  /** Embeddings of these tokens, [tokens.length, hidden]. */
  rows(tokens: ArrayLike<number>): Float32Array {
    const { hidden } = this.checkpoint.config;
    const rows = new Float32Array(tokens.length * hidden);
    for (let row = 0; row < tokens.length; row++) rows.set(this.row(tokens[row]!), row * hidden);
    return rows;
  }

  private row(token: number): Float32Array {
    const known = this.known.get(token);
    if (known !== undefined) return known;
    const row = this.checkpoint.readRows("embedding", token, 1);
    if (this.known.size === keptRows) this.known.delete(this.known.keys().next().value!);
    this.known.set(token, row);
    return row;
  }
}
