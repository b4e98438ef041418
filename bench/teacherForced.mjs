// The target's own view of a text that is given: logits, choices and likelihoods at known positions.

/** Logits of a whole vocabulary are large: this many rows at a time. */
const rowsAtATime = 64;

export class TeacherForced {
  /** @param {import("../src/engine/decoding/target.ts").TargetSequence} sequence */
  constructor(sequence) {
    this.sequence = sequence;
  }

  /** Logits after each of the last `count` tokens, one Float32Array [vocabulary] each. */
  async logits(tokens, count) {
    const found = [];
    await this.#forEachRow(tokens, count, "logits", (row) => found.push(row.slice()));
    return found;
  }

  /** The most probable next token after each of the last `count` tokens. */
  async choices(tokens, count) {
    const found = [];
    await this.#forEachRow(tokens, count, "argmax", (token) => found.push(token));
    return found;
  }

  /** Of each token but the first, in nats. */
  async negativeLogLikelihoods(tokens) {
    const found = [];
    await this.#forEachRow(tokens.slice(0, -1), tokens.length - 1, "logits", (row) => {
      found.push(logSumExp(row) - row[tokens[found.length + 1]]);
    });
    return found;
  }

  async #forEachRow(tokens, count, mode, visit) {
    const { sequence } = this;
    const { vocabulary } = sequence.config;
    sequence.trim(0);
    const firstAsked = tokens.length - count;
    for (let first = 0; first < tokens.length; first += rowsAtATime) {
      const chunk = tokens.slice(first, first + rowsAtATime);
      const rows = { tokens: chunk, parents: chunk.map((_, i) => i - 1) };
      const asked = [...chunk.keys()].filter((row) => first + row >= firstAsked);
      const result = await sequence.forward(rows, asked.length > 0 ? mode : "none", asked);
      sequence.commit([...chunk.keys()]);
      for (const i of asked.keys()) {
        visit(mode === "argmax" ? result.argmax[i] : result.logits.subarray(i * vocabulary, (i + 1) * vocabulary));
      }
    }
  }
}

function logSumExp(row) {
  let largest = Number.NEGATIVE_INFINITY;
  for (const value of row) if (value > largest) largest = value;
  let sum = 0;
  for (const value of row) sum += Math.exp(value - largest);
  return largest + Math.log(sum);
}
