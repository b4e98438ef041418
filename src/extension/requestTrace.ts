import type { RequestStatistics } from "../protocol/messages.ts";
import { type EngineAccess, engineWith } from "./engine.ts";

/** `jakiro.trace`: what the log holds of requests. */
export type TraceLevel = "off" | "requests" | "text";

export interface TraceSink {
  readonly level: TraceLevel;
  /** Times and counts. */
  line(message: string): void;
  /** Text of documents: for the log that the user asked for, and nowhere else. */
  text(message: string): void;
}

/** Lines of the text before the cursor that are traced: the prompt's end is what a suggestion goes on from. */
const tracedLines = 5;

/** The same engine; what is asked of it and what it answers goes to the sink, as far as its level allows. */
export function tracedEngine(engine: EngineAccess, sink: TraceSink): EngineAccess {
  const trace = async <Result extends { readonly statistics: RequestStatistics }>(
    what: string,
    prefix: string,
    answer: Promise<Result | undefined>,
    textsOf: (result: Result) => readonly string[],
  ): Promise<Result | undefined> => {
    const result = await answer;
    if (sink.level === "off") return result;
    sink.line(result === undefined ? `${what}: cancelled` : `${what}: ${summary(result.statistics)}`);
    if (sink.level === "text") {
      sink.text(`${what}: behind ${JSON.stringify(prefix.split("\n").slice(-tracedLines).join("\n"))}`);
      for (const text of result === undefined ? [] : textsOf(result)) sink.text(`${what}: ${JSON.stringify(text)}`);
    }
    return result;
  };
  return engineWith(engine, {
    complete: (params, token, onText) => {
      const what = ["complete", params.priority, ...(params.languageId === undefined ? [] : [params.languageId])];
      const answer = engine.complete(params, token, onText);
      return trace(what.join(" "), params.prefix, answer, ({ texts }) => texts);
    },
    generate: (params, token, onText) =>
      trace("generate", params.prefix, engine.generate(params, token, onText), ({ text }) => [text]),
  });
}

function summary(statistics: RequestStatistics): string {
  const { promptTokens, cachedTokens, suffixTokens, completionTokens, tau, firstTokenMs, totalMs } = statistics;
  const prompt = `${promptTokens} prompt tokens, ${cachedTokens} of them cached, ${suffixTokens} after the cursor`;
  const answer = `${completionTokens} tokens, ${tau.toFixed(2)} per pass`;
  return `${prompt}; ${answer}; first after ${Math.round(firstTokenMs)} ms, all after ${Math.round(totalMs)} ms`;
}
