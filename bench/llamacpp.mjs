// llama.cpp as the peer: the same GGUF file, threads and token ids, through node-llama-cpp's prebuilt binaries.
import { getLlama, getModuleVersion, InputLookupTokenPredictor, LlamaLogLevel } from "node-llama-cpp";

/** What the peer may run with; `tune` picks the fastest of each. */
export const plainSettings = [{ flashAttention: false }, { flashAttention: true }];
export const lookupSettings = [
  { patternLength: { min: 1 }, predictionLength: { max: 3 } },
  { patternLength: { min: 2 }, predictionLength: { max: 3 } },
  { patternLength: { min: 3 }, predictionLength: { max: 8 } },
];

/** The binding reports probabilities of what its sampler leaves, largest first; this leaves all of them as they are. */
const wholeDistribution = { temperature: 1, topK: 0, topP: 1, minP: 0 };

export class LlamaPeer {
  #model;
  #threads;
  #contextSize;
  /** Sequences by the settings they were made with, as JSON. */
  #sequences = new Map();

  constructor(llama, model, { threads, contextSize }) {
    this.llama = llama;
    this.#model = model;
    this.#threads = threads;
    this.#contextSize = contextSize;
  }

  /**
   * @param {{ modelPath: string, threads: number, contextSize?: number, gpu?: boolean }} options gpu: the whole model on the GPU that
   *   llama.cpp prefers, by CUDA, Vulkan or Metal; throws where it finds none
   */
  static async load({ modelPath, threads, contextSize = 2048, gpu = false }) {
    const llama = await getLlama({
      gpu: gpu ? "auto" : false,
      build: "never",
      maxThreads: threads,
      logLevel: LlamaLogLevel.error,
      progressLogs: false,
    });
    // A build for GPUs runs without one too.
    if (gpu && (await llama.getGpuDeviceNames()).length === 0) {
      throw new Error("llama.cpp finds no GPU here; leave out --device gpu.");
    }
    const model = await llama.loadModel({ modelPath, gpuLayers: gpu ? "max" : 0 });
    return new LlamaPeer(llama, model, { threads, contextSize });
  }

  /** Versions and instruction sets, for the record. */
  async describe() {
    const { llama } = this;
    const features = [...llama.systemInfo.matchAll(/(\w+) = 1/g)].map(([, name]) => name);
    const binding = `node-llama-cpp ${await getModuleVersion()}`;
    const gpu = llama.gpu === false ? {} : { gpu: { by: llama.gpu, names: await llama.getGpuDeviceNames() } };
    return { binding, release: llama.llamaCppRelease.release, features, ...gpu };
  }

  tokenize(text) {
    return this.#model.tokenize(text, false);
  }

  /**
   * Greedy text after `prompt`; the same figures as the engine's: an end token is the last one where there is one.
   * @param {readonly number[]} prompt
   * @param {{ maxTokens: number, endTokens: ReadonlySet<number>, settings: object,
   *   lookup?: object, until?: (tokens: readonly number[]) => boolean }} options lookup turns speculation on; until ends the text early
   * @returns {Promise<{ tokens: number[], firstTokenMs: number, totalMs: number, tokensPerSecond: number }>}
   */
  async greedy(prompt, { maxTokens, endTokens, settings, lookup, until }) {
    const { sequence, predictor } = await this.#sequence(settings, lookup);
    await sequence.clearHistory();
    const tokens = [];
    const start = performance.now();
    let firstTokenMs = 0;
    predictor?.updateInputTokens([...prompt]);
    for await (const token of sequence.evaluate([...prompt], { temperature: 0, yieldEogToken: true })) {
      tokens.push(token);
      if (tokens.length === 1) firstTokenMs = performance.now() - start;
      if (tokens.length >= maxTokens || endTokens.has(token) || until?.(tokens)) break;
    }
    const totalMs = performance.now() - start;
    const seconds = (totalMs - firstTokenMs) / 1000;
    return { tokens, firstTokenMs, totalMs, tokensPerSecond: tokens.length > 1 ? (tokens.length - 1) / seconds : 0 };
  }

  /** Tokens/s of single-token forwards without any sampling, over tokens that are known beforehand. */
  async forwardsPerSecond(prompt, tokens, settings) {
    const { sequence } = await this.#sequence(settings);
    await sequence.clearHistory();
    await sequence.evaluateWithoutGeneratingNewTokens([...prompt]);
    const start = performance.now();
    for (const token of tokens) await sequence.evaluateWithoutGeneratingNewTokens([token]);
    return (tokens.length * 1000) / (performance.now() - start);
  }

  /** Like `greedy`, with the logarithms of the `top` largest probabilities of every step, which differ as the logits do, by token. */
  async greedyWithLogits(prompt, { maxTokens, endTokens, settings, top }) {
    const { sequence } = await this.#sequence(settings);
    await sequence.clearHistory();
    const tokens = [];
    const logits = [];
    let input = [...prompt];
    while (tokens.length < maxTokens) {
      const last = [
        input.at(-1),
        {
          generateNext: {
            probabilities: true,
            options: { ...wholeDistribution, topK: top },
          },
        },
      ];
      const { next } = (await sequence.controlledEvaluate([...input.slice(0, -1), last])).at(-1);
      const [token] = next.probabilities.keys();
      tokens.push(token);
      logits.push(new Map([...next.probabilities].map(([id, probability]) => [id, Math.log(probability)])));
      if (endTokens.has(token)) break;
      input = [token];
    }
    return { tokens, logits };
  }

  /** Negative log-likelihood of each token of `tokens` but the first, in nats. */
  async score(tokens, settings) {
    const { sequence } = await this.#sequence(settings);
    await sequence.clearHistory();
    const asked = { generateNext: { probabilities: true, options: wholeDistribution } };
    const found = [];
    // One by one: a whole text's probabilities would fill the memory.
    for (const [i, token] of tokens.slice(0, -1).entries()) {
      const [{ next }] = await sequence.controlledEvaluate([[token, asked]]);
      found.push(-Math.log(next.probabilities.get(tokens[i + 1])));
    }
    return found;
  }

  async dispose() {
    await this.llama.dispose();
  }

  async #sequence(settings, lookup) {
    const key = JSON.stringify({ settings, lookup });
    const known = this.#sequences.get(key);
    if (known !== undefined) return known;
    const context = await this.#model.createContext({
      contextSize: this.#contextSize,
      batchSize: 512,
      threads: this.#threads,
      ...settings,
    });
    const predictor = lookup === undefined ? undefined : new InputLookupTokenPredictor(lookup);
    const made = { sequence: context.getSequence({ tokenPredictor: predictor }), predictor };
    this.#sequences.set(key, made);
    return made;
  }
}
