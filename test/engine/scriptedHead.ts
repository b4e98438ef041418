import type { Candidates, DraftHead, HeadOutputs, HeadRows } from "../../src/engine/decoding/draftHead.ts";
import { uniform } from "../../src/engine/decoding/random.ts";
import type { HeadKind } from "../../src/engine/model/headKinds.ts";

/**
 * A head that knows the text to come and lies now and then: it makes decoding accept long paths through wide trees, which
 * no head on a random model would. A hidden row's first channel holds the position of the token it stands for.
 */
export class ScriptedHead implements DraftHead {
  /** The whole text, prompt included. */
  script: readonly number[] = [];
  length = 0;
  private round = 0;

  /** @param honesty how often the right token is among the candidates */
  constructor(
    readonly kind: HeadKind,
    readonly hidden: number,
    readonly vocabulary: number,
    private readonly honesty = 0.85,
  ) {}

  async append(rows: HeadRows): Promise<HeadOutputs> {
    this.length += rows.tokens.length;
    return this.outputs(rows);
  }

  async explore(rows: HeadRows, ancestors: readonly (readonly number[])[]): Promise<HeadOutputs> {
    if (ancestors.length !== rows.tokens.length) throw new Error("every row needs its ancestors");
    return this.outputs(rows);
  }

  async candidates(hidden: Float32Array, count: number): Promise<Candidates> {
    const rows = hidden.length / this.hidden;
    const wanted = Math.min(count, this.vocabulary);
    const tokens = new Int32Array(rows * wanted);
    const logProbabilities = new Float32Array(rows * wanted);
    for (let row = 0; row < rows; row++) {
      const list = this.guesses(hidden[row * this.hidden]!, wanted, this.round++);
      tokens.set(list, row * wanted);
      for (let i = 0; i < wanted; i++) logProbabilities[row * wanted + i] = Math.log(0.7 / (i + 1) ** 2);
    }
    return { count: wanted, tokens, logProbabilities };
  }

  trim(length: number): void {
    this.length = Math.min(this.length, length);
  }

  /** Different tokens, the right one of this position at a random rank or missing. */
  private guesses(position: number, count: number, seed: number): number[] {
    const right = this.script[position];
    const rank = Math.floor(uniform(seed, 1) * 1.5 * count) % count;
    const guesses: number[] = [];
    for (let draw = 0; guesses.length < count; draw++) {
      if (
        guesses.length === rank &&
        right !== undefined &&
        uniform(seed, 2) < this.honesty &&
        !guesses.includes(right)
      ) {
        guesses.push(right);
        continue;
      }
      const token = Math.floor(uniform(seed, 3 + draw) * this.vocabulary);
      if (!guesses.includes(token)) guesses.push(token);
    }
    return guesses;
  }

  /** Row t stands for the token at t + 2, its contrastive output for the one after that. */
  private outputs({ positions, outputRows }: HeadRows): HeadOutputs {
    const rowsFor = (distance: number) => {
      const rows = new Float32Array(outputRows.length * this.hidden);
      for (const [i, row] of outputRows.entries()) rows[i * this.hidden] = positions[row]! + distance;
      return rows;
    };
    const mixture = rowsFor(2);
    if (this.kind === "eagle") return { mixture };
    return this.kind === "jakiro" ? { mixture, contrast: rowsFor(3) } : { mixture, branches: [rowsFor(2), rowsFor(2)] };
  }
}
