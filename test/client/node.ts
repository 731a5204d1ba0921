/** A node in this process and a proxy before it that can cut, stall and refuse connections. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunningNode } from '../../dist/node/index.js';
import { startNode } from '../../dist/node/index.js';
import { engineSettings } from '../support/engine.js';

/** A node with a data folder of its own. */
export interface TestNode {
  readonly node: RunningNode;
  readonly url: string;
  readonly data: string;
  /** Stops the node and starts it again on the same data and port. */
  restart(): Promise<void>;
  /** Stops the node and removes its data. */
  remove(): Promise<void>;
}

/** Starts a node, by default in this thread. */
export async function startTestNode(shards = 0): Promise<TestNode> {
  const data = mkdtempSync(join(tmpdir(), 'duolog-client-'));
  const start = (port: number): Promise<RunningNode> =>
    startNode({ data, port, amqpPort: 0, shards, logLevel: 'warn', ...engineSettings() });
  let node = await start(0);
  const port = node.port!;
  return {
    get node() {
      return node;
    },
    url: node.url!,
    data,
    async restart() {
      await node.stop();
      node = await start(port);
    },
    async remove() {
      await node.stop();
      rmSync(data, { recursive: true, force: true });
    },
  };
}

/** A TCP proxy. */
export interface CuttingProxy {
  readonly url: string;
  /** Cuts every connection after so many more bytes towards the node; undefined = never. */
  cutAfter(bytes: number | undefined): void;
  /** Cuts every connection now. */
  cut(): void;
  close(): void;
}

/** Starts a proxy before a node's port. */
export async function startProxy(port: number): Promise<CuttingProxy> {
  const sockets = new Set<Socket>();
  let bytesLeft: number | undefined;
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const server: Server = createServer((inner) => {
    const outer = connectTcp(port, '127.0.0.1');
    for (const [socket, other] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    outer.pipe(inner);
    inner.on('data', (chunk: Buffer) => {
      if (bytesLeft !== undefined && chunk.length >= bytesLeft) {
        outer.write(chunk.subarray(0, bytesLeft));
        bytesLeft = undefined;
        setTimeout(cut, 1);
        return;
      }
      if (bytesLeft !== undefined) bytesLeft -= chunk.length;
      outer.write(chunk);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const bound = address !== null && typeof address === 'object' ? address.port : 0;
  return {
    url: `ws://127.0.0.1:${bound}/ws`,
    cutAfter: (bytes) => {
      bytesLeft = bytes;
    },
    cut,
    close: () => {
      cut();
      server.close();
    },
  };
}
