import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { basename, join } from "node:path";
import {
  createMessageConnection,
  type MessageConnection,
  SocketMessageReader,
  SocketMessageWriter,
} from "vscode-jsonrpc/node";
import { repository } from "./repository.ts";
import { agentMessages } from "./windowMessages.ts";
import type { Workbench, WorkbenchWindow } from "./workbench.ts";

/** A real window whose extension host does what the test says. */
export interface AgentWindow extends WorkbenchWindow {
  readonly agent: MessageConnection;
}

/** Opens windows with an agent in their extension hosts. */
export class AgentWindows {
  private readonly agents = new Map<string, MessageConnection>();
  private readonly waiting = new Map<string, (agent: MessageConnection) => void>();

  private constructor(
    private readonly server: Server,
    /** To be JAKIRO_TEST_AGENTS in the workbench. */
    readonly socket: string,
  ) {}

  static async listen(socket: string): Promise<AgentWindows> {
    const server = createServer();
    const windows = new AgentWindows(server, socket);
    server.on("connection", (connection) => {
      const rpc = createMessageConnection(new SocketMessageReader(connection), new SocketMessageWriter(connection));
      rpc.onNotification(agentMessages.here, (name) => {
        windows.agents.set(name, rpc);
        windows.waiting.get(name)?.(rpc);
      });
      rpc.onClose(() => connection.destroy());
      rpc.listen();
    });
    server.listen(socket);
    await once(server, "listening");
    return windows;
  }

  /** Opens a folder that no other window of these has. */
  async open(workbench: Workbench, folder: string, extension = repository): Promise<AgentWindow> {
    const arrival = new Promise<MessageConnection>((resolve) => this.waiting.set(basename(folder), resolve));
    const tests = join(repository, "out", "test", "workbench", "windowAgent.js");
    const window = await workbench.open({ folder, extension, tests });
    return { ...window, agent: await arrival };
  }

  close(): void {
    for (const agent of this.agents.values()) agent.end();
    this.server.close();
  }
}
