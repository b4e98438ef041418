import { Template } from "@huggingface/jinja";
import type { Tokenizer } from "./tokenizer.ts";

/** What is said before the model's turn. */
export interface Conversation {
  readonly system: string;
  readonly user: string;
}

/** The model's own chat format, from its Jinja template. */
export interface ChatTemplate {
  /**
   * The conversation up to where the assistant's answer begins. Special tokens are those that the template itself writes: in
   * the conversation's texts, which are encoded together with the template's words around them, none is ever recognized.
   */
  encode(conversation: Conversation): number[];
}

/** Undefined where the model has no template, or one that renders no message of a user. */
export function chatTemplateOf(tokenizer: Tokenizer): ChatTemplate | undefined {
  const source = tokenizer.chatTemplate;
  if (source === undefined) return undefined;
  const render = renderer(source, tokenizer);
  const withSystem = render?.([message("system"), message("user")]);
  if (withSystem?.includes(placeholder("system")) && withSystem.includes(placeholder("user"))) {
    return { encode: (conversation) => encode(withSystem, conversation, tokenizer) };
  }
  // Some models know no system role: their templates leave its text out, or refuse it.
  const userAlone = render?.([message("user")]);
  if (!userAlone?.includes(placeholder("user"))) return undefined;
  return {
    encode: ({ system, user }) => encode(userAlone, { system: "", user: `${system}\n\n${user}` }, tokenizer),
  };
}

type Role = keyof Conversation;

/** Templates are rendered with these in place of the texts, so that a text is never taken for a part of the template. */
function placeholder(role: Role): string {
  return `[[jakiro:${role}]]`;
}

function message(role: Role): { role: Role; content: string } {
  return { role, content: placeholder(role) };
}

type Render = (messages: readonly ReturnType<typeof message>[]) => string | undefined;

/** Renders as `apply_chat_template` of transformers does; the result of a template that raises an exception is undefined. */
function renderer(source: string, { namedTokens }: Tokenizer): Render | undefined {
  const attempt = <T>(action: () => T): T | undefined => {
    try {
      return action();
    } catch {
      return undefined;
    }
  };
  const template = attempt(() => new Template(source));
  if (template === undefined) return undefined;
  const settings = { ...namedTokens, tools: null, documents: null, add_generation_prompt: true };
  return (messages) => attempt(() => template.render({ ...settings, messages }));
}

function encode(rendered: string, conversation: Conversation, tokenizer: Tokenizer): number[] {
  const ids: number[] = [];
  let text = "";
  for (const part of rendered.split(separators(tokenizer))) {
    const special = specialId(part, tokenizer);
    if (special !== undefined) {
      ids.push(...tokenizer.encode(text), special);
      text = "";
    } else if (part === placeholder("system")) {
      text += conversation.system;
    } else {
      text += part === placeholder("user") ? conversation.user : part;
    }
  }
  ids.push(...tokenizer.encode(text));
  const { beginToken } = tokenizer;
  return beginToken === undefined || ids[0] === beginToken ? ids : [beginToken, ...ids];
}

function specialId(text: string, tokenizer: Tokenizer): number | undefined {
  const id = tokenizer.id(text);
  return id !== undefined && tokenizer.isSpecial(id) ? id : undefined;
}

/** Matches placeholders and special tokens, of several that begin at one place the longest. */
function separators(tokenizer: Tokenizer): RegExp {
  const specials: string[] = [];
  for (let id = 0; id < tokenizer.vocabulary; id++) if (tokenizer.isSpecial(id)) specials.push(tokenizer.token(id));
  const longestFirst = specials.filter((entry) => entry !== "").sort((a, b) => b.length - a.length);
  const all = [placeholder("system"), placeholder("user"), ...longestFirst];
  return new RegExp(`(${all.map((entry) => entry.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("|")})`);
}
