import { NotificationType, NotificationType0, RequestType, RequestType0 } from "vscode-jsonrpc/node";

/** What a test and the agents in its windows say to each other. */
export const agentMessages = {
  /** From the agent, first of all: the name of its window's folder. */
  here: new NotificationType<string>("here"),
  /** From the agent: the engine has begun to work. */
  busy: new NotificationType0("busy"),
  /** What follows the text, by the window's own way to the engine; "" where that ended without an answer. */
  complete: new RequestType<string, string, void>("complete"),
  /** Whether the window is trusted, as the extension is told. */
  isTrusted: new RequestType0<boolean, void>("isTrusted"),
  /** The engine that serves the window, and how many windows are connected to it. */
  engine: new RequestType0<{ readonly processId: number; readonly connections: number }, void>("engine"),
};
