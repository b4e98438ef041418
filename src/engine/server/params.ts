import type {
  CompleteParams,
  DocumentParams,
  EditorIndentation,
  EngineConfiguration,
  GenerateParams,
  HelloParams,
  ObserveParams,
  ProveParams,
  Snippet,
  WarmParams,
  WritingParams,
} from "../../protocol/messages.ts";
import { longestIdleMinutes, longestTab } from "../../protocol/messages.ts";
import { boolean, integer, list, matching, number, object, oneOf, optional, text } from "./checks.ts";

const longestDocument = 16 * 1024 * 1024;
const longestPath = 4096;
const longestName = 256;
const mostSnippets = 64;
const longestSnippet = 256 * 1024;
const longestInstruction = 64 * 1024;
/** Half of the context: the prompt has the other half. */
const mostTokens = 2048;
const mostAlternatives = 10;

const id = integer(0, Number.MAX_SAFE_INTEGER);
const maxTokens = integer(1, mostTokens);
const proof = matching(/^[0-9a-f]{64}$/, "64 hexadecimal digits");

const documentFields = {
  prefix: text(longestDocument),
  suffix: text(longestDocument),
  path: optional(text(longestPath)),
  languageId: optional(text(longestName)),
  snippets: list(object<Snippet>({ path: text(longestPath), text: text(longestSnippet) }), mostSnippets),
} satisfies Parameters<typeof object<DocumentParams>>[0];

const writingFields = {
  ...documentFields,
  indentation: optional(object<EditorIndentation>({ insertSpaces: boolean, tabSize: integer(1, longestTab) })),
} satisfies Parameters<typeof object<WritingParams>>[0];

/** What each message's parameters must be. */
export const params = {
  hello: object<HelloParams>({ nonce: proof, build: text(longestName, 1) }),
  prove: object<ProveParams>({ proof }),
  configure: object<EngineConfiguration>({
    modelPath: optional(text(longestPath, 1)),
    head: optional(text(longestPath, 1)),
    restricted: optional(boolean),
    device: oneOf("auto", "cpu", "gpu"),
    gpuAdapter: optional(text(longestName, 1)),
    idleMinutes: number(0, longestIdleMinutes),
  }),
  complete: object<CompleteParams>({
    ...writingFields,
    id,
    priority: oneOf("typed", "prefetch"),
    maxTokens,
    alternatives: optional(integer(1, mostAlternatives)),
    progress: boolean,
  }),
  warm: object<WarmParams>(documentFields),
  generate: object<GenerateParams>({
    ...writingFields,
    id,
    instruction: text(longestInstruction, 1),
    selection: text(longestDocument),
    maxTokens,
    seed: optional(integer(0, Number.MAX_SAFE_INTEGER)),
  }),
  observe: object<ObserveParams>({ rounds: boolean }),
} as const;
