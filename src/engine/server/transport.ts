import type { Socket } from "node:net";
import {
  type DataCallback,
  type Disposable,
  type Message,
  SocketMessageReader,
  SocketMessageWriter,
} from "vscode-jsonrpc/node";

/** Reads messages and closes the socket where one grows beyond the limit, before it is kept whole. */
export class LimitedReader extends SocketMessageReader {
  /** Bytes. */
  limit: number;
  private unread = 0;

  constructor(
    private readonly socket: Socket,
    limit: number,
  ) {
    super(socket);
    this.limit = limit;
    // Nobody listens to what its timer tells, and the timer would outlive the socket.
    this.partialMessageTimeout = 0;
  }

  override listen(callback: DataCallback): Disposable {
    this.socket.on("data", (chunk: Buffer) => {
      this.unread += chunk.length;
      if (this.unread > this.limit) this.socket.destroy();
    });
    return super.listen((message) => {
      this.unread = 0;
      callback(message);
    });
  }
}

/** Writes messages, and can close the socket behind one. */
export class ClosingWriter extends SocketMessageWriter {
  private closing = false;

  constructor(private readonly stream: Socket) {
    super(stream);
  }

  /** The next message is the last one. */
  closeAfterNext(): void {
    this.closing = true;
  }

  override async write(message: Message): Promise<void> {
    if (this.stream.destroyed) return;
    await super.write(message);
    if (this.closing) this.stream.end();
  }
}
