import type { WarmParams } from "../../protocol/messages.ts";
import { lastingPart, promptOf } from "../complete.ts";
import { documentRequest, type Handler, sharedDecoding } from "./client.ts";

/** Where a model's context is short, the prompt's room depends on the completion's length; this is a usual one. */
const usualMaxTokens = 64;

/** Reads the part of a completion's prompt that stays the same from one keystroke to the next. */
export const warm: Handler<WarmParams, void> = (params, token, client) =>
  client.requests.run(client, "warm", token, (request) =>
    client.host.use(request.signal, async (model) => {
      const { engine } = model;
      const packed = promptOf(engine, engine.capacity, documentRequest(params, usualMaxTokens));
      const prompt = lastingPart(engine, packed);
      if (prompt.length === 0) return;
      await request.withSession(model.pool, { tokens: prompt, lasting: prompt.length }, (session) =>
        session.prefill({ ...sharedDecoding(request, model, client), prompt }),
      );
    }),
  );
