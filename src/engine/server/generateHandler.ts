import type { GenerateParams, GenerateResult } from "../../protocol/messages.ts";
import { greedy, type SamplingOptions } from "../decoding/sampling.ts";
import { generateCode } from "../generate.ts";
import { type Handler, progressOf, sharedDecoding } from "./client.ts";
import { requestStatistics } from "./requestStatistics.ts";

/** Far enough from the most probable answer to differ from it, and still code. */
const anotherAnswer: Omit<SamplingOptions, "seed"> = { temperature: 0.8, topK: 0, topP: 0.95 };

export const generate: Handler<GenerateParams, GenerateResult> = (params, token, client) =>
  client.requests.run(client, "generate", token, (request) =>
    client.host.use(request.signal, async (model) => {
      const { engine, pool, method } = model;
      const shared = sharedDecoding(request, model, client);
      const session: Parameters<typeof generateCode>[1] = {
        capacity: engine.capacity,
        decode: (asked) =>
          request.withSession(pool, { tokens: asked.prompt, lasting: asked.prompt.length }, (borrowed) =>
            borrowed.decode({ ...asked, ...shared }),
          ),
      };
      const { id, seed, ...asked } = params;
      const result = await generateCode(engine, session, {
        ...asked,
        sampling: seed === undefined ? greedy : { ...anotherAnswer, seed },
        onText: progressOf(id, client),
      });
      const { text, cut, notes } = result;
      return {
        text,
        cut,
        notes,
        statistics: requestStatistics([result], { method, waitedMs: request.waitedMs }),
      };
    }),
  );
