import type { CompleteParams, CompleteResult } from "../../protocol/messages.ts";
import { completeAlternatives, lastingPart, promptOf } from "../complete.ts";
import { greedy } from "../decoding/sampling.ts";
import { documentRequest, type Handler, progressOf, sharedDecoding } from "./client.ts";
import { requestStatistics } from "./requestStatistics.ts";

export const complete: Handler<CompleteParams, CompleteResult> = (params, token, client) =>
  client.requests.run(client, params.priority, token, (request) =>
    client.host.use(request.signal, async (model) => {
      const { engine, method } = model;
      const asked = {
        ...documentRequest(params, params.maxTokens),
        ...sharedDecoding(request, model, client),
        sampling: greedy,
        indentation: params.indentation,
        ...(params.progress ? { onText: progressOf(params.id, client) } : {}),
      };
      const packed = promptOf(engine, engine.capacity, asked);
      const prompt = { tokens: packed.tokens, lasting: lastingPart(engine, packed).length };
      const completions = await request.withSession(model.pool, prompt, (session) =>
        completeAlternatives(engine, session, packed, asked, params.alternatives ?? 1),
      );
      const [{ finishReason, rule, notes }] = completions;
      const texts = new Set(completions.map(({ text }) => text).filter((text) => text !== ""));
      return {
        texts: [...texts],
        ending: rule ?? finishReason,
        notes,
        statistics: requestStatistics(completions, { method, waitedMs: request.waitedMs }),
      };
    }),
  );
