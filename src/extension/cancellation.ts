/** What both VS Code's cancellation tokens and those of vscode-jsonrpc are. */
export interface Token {
  readonly isCancellationRequested: boolean;
  readonly onCancellationRequested: (listener: () => void) => { dispose(): void };
}
