// A model of random weights whose text is known, and heads that guess it as often as one likes: speculation at any acceptance, in
// the shape of a model for which there is no trained head.
//
// Every layer computes in full and then adds nothing, since the steps of its output and down projections are worth 0. What comes to the LM
// head is therefore the last token's embedding, and that is the LM head's column of the next token: token t is followed by t + 1.
// A head's fc hands its token's embedding on, its layer adds next to nothing, and so it drafts t + 1 with confidence, unless that
// token is missing from its draft vocabulary. The share of tokens that are there is the acceptance at every depth; the parallel level,
// which would have to know two tokens ahead, always misses.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { product } from "../engine.mjs";
import { randomPack } from "./randomPack.mjs";

/** Of a trained head's draft vocabulary. */
const draftTokens = 16_384;
/** Logit of the token that a head knows to come next; the others' spread around 0. */
const knownLogit = 15;
/** Root mean square of a random signed byte. */
const byteSize = Math.sqrt((2 ** 16 - 1) / 12);
/** Size of what a head adds to the token's embedding. */
const whisper = 1e-3;

/** The token that follows. */
export function nextToken({ vocabulary }, token) {
  return (token + 1) % vocabulary;
}

/** A pack with int8 weights and the checkpoint beside it, as of `randomPack`. */
export function cycleModel(shape) {
  const config = { ...shape, tiedEmbeddings: false };
  const { packed, release } = randomPack(config, "int8");
  const { directory, weights } = packed;
  const { hidden, vocabulary } = config;
  const silent = { location: "silent.bin", offset: 0, length: 4 * hidden };
  writeFileSync(join(directory, silent.location), new Float32Array(hidden));
  const silenced = (matrix) => ({ ...matrix, scales: silent });
  const layers = weights.layers.map((layer) => ({ ...layer, o: silenced(layer.o), down: silenced(layer.down) }));

  const { location, length } = weights.lmHead.weights;
  const file = readFileSync(join(directory, location));
  const steps = new Int8Array(file.buffer, file.byteOffset, length);
  const shapes = { embedding: [vocabulary, hidden], output: [vocabulary, hidden] };
  const checkpoint = {
    ...{ config, path: "a model of random weights", contentHash: async () => "random" },
    ...{ has: (name) => name in shapes, shape: (name) => shapes[name] },
    ...{ checkUnchanged: () => undefined, close: () => undefined },
    readRows(name, first, count, into = new Float32Array(count * hidden)) {
      const isEmbedding = name === "embedding";
      const size = isEmbedding ? 1 / byteSize : knownLogit / hidden / byteSize;
      for (let input = 0; input < hidden; input++) {
        for (let row = 0; row < count; row++) {
          const column = isEmbedding ? nextToken(config, first + row) : first + row;
          into[row * hidden + input] = steps[input * vocabulary + column] * size;
        }
      }
      return into;
    },
  };
  return { packed: { ...packed, weights: { ...weights, layers } }, checkpoint, release };
}

/** A Jakiro head of the usual size for such a model, whose draft vocabulary holds a share `acceptance` of all tokens. */
export function cycleHead({ hidden, heads, kvHeads, headDim, vocabulary, rmsEpsilon, rope }, acceptance) {
  const config = {
    ...{ kind: "jakiro", hidden, intermediate: hidden, experts: 2, rmsEpsilon, ropeBase: rope.base, qkvBias: true },
    shape: { heads, kvHeads, headDim },
  };
  const shapes = product.headShapes(config);
  const names = [...shapes.keys()];
  const noise = (name, length, size) => product.randomFloats(length, names.indexOf(name) + 1, size);
  return {
    ...{ path: "a head of random weights", config, draftToTarget: knownTokens(vocabulary, acceptance) },
    matrix(name) {
      const [outputs, inputs] = shapes.get(name);
      const adds = /fc|o_proj|down_proj/.test(name);
      const values = noise(name, outputs * inputs, adds ? whisper : 1 / Math.sqrt(inputs));
      if (name === "fc.weight") for (let i = 0; i < hidden; i++) values[i * inputs + i] = 1;
      return { outputs, inputs, values };
    },
    vector(name) {
      const [length] = shapes.get(name);
      return name.endsWith("layernorm.weight") ? new Float32Array(length).fill(1) : noise(name, length, whisper);
    },
  };
}

/** The tokens that a head knows: which of them has no pattern along the text. */
function knownTokens(vocabulary, acceptance) {
  const random = product.randomNumbers(1);
  const known = Array.from({ length: vocabulary }, (_, token) => token).filter(() => random() < acceptance);
  return Int32Array.from(known.slice(0, draftTokens));
}
