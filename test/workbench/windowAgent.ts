import { connect } from "node:net";
import * as vscode from "vscode";
import { createMessageConnection, SocketMessageReader, SocketMessageWriter } from "vscode-jsonrpc/node";
import type { ProcessDiagnosis } from "../../src/engine/server/diagnoseProcess.ts";
import type { Ctx } from "../../src/extension/ctx.ts";
import { agentMessages } from "./windowMessages.ts";

/** Called by the extension host: does in its window what a test asks for over JAKIRO_TEST_AGENTS, until the test hangs up. */
export async function run(): Promise<void> {
  const ctx = await vscode.extensions.getExtension<Ctx>("jakiro.jakiro")!.activate();
  const socket = connect(process.env["JAKIRO_TEST_AGENTS"]!);
  const rpc = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
  rpc.onRequest(agentMessages.complete, async (prefix) => {
    const params = { prefix, suffix: "", snippets: [], maxTokens: 128, priority: "typed" } as const;
    const { texts } = (await ctx.engine.complete(params, new vscode.CancellationTokenSource().token)) ?? { texts: [] };
    return texts[0] ?? "";
  });
  rpc.onRequest(agentMessages.isTrusted, () => vscode.workspace.isTrusted);
  rpc.onRequest(agentMessages.engine, async () => {
    const { process } = (await ctx.engine.diagnose()) as unknown as ProcessDiagnosis;
    return { processId: process.processId, connections: process.connections };
  });
  const states = ctx.engine.onState((state) => {
    if (state.kind === "ready" && state.busy) void rpc.sendNotification(agentMessages.busy);
  });
  const hungUp = new Promise<void>((resolve) => rpc.onClose(resolve));
  rpc.listen();
  await rpc.sendNotification(agentMessages.here, vscode.workspace.workspaceFolders![0]!.name);
  await hungUp;
  states.dispose();
}
