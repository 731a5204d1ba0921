import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

/** Everything that is served: path, file, type. */
const files = new Map<string, readonly [path: string, type: string]>([
  ['/', ['./page/index.html', 'text/html; charset=utf-8']],
  ['/page.css', ['./page/page.css', 'text/css']],
  ['/page.js', ['./page/page.js', 'text/javascript']],
  ['/duolog-client.js', ['../../dist/browser/duolog-client.js', 'text/javascript']],
]);

/** Serves the page and the client's browser bundle to a browser on this machine. */
export interface PageServer {
  /** As browsers send it. */
  readonly origin: string;
  close(): void;
}

/** Starts a server on any free port. */
export async function servePage(): Promise<PageServer> {
  const server = createServer((request, response) => {
    const file = files.get(request.url ?? '');
    if (file === undefined) {
      response.writeHead(404).end();
      return;
    }
    const [path, type] = file;
    readFile(fileURLToPath(new URL(path, import.meta.url))).then(
      (bytes) => response.writeHead(200, { 'content-type': type }).end(bytes),
      (error) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('A TCP server has no port');
  return {
    origin: `http://127.0.0.1:${address.port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
