import type * as vscode from "vscode";
import { Ctx } from "./ctx.ts";

/** Called by VS Code once, after its start. What is returned is for the tests in the extension host. */
export function activate(context: vscode.ExtensionContext): Ctx {
  const ctx = new Ctx(context);
  context.subscriptions.push(ctx);
  return ctx;
}
