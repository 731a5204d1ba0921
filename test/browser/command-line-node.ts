import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { engineFlags } from '../support/engine.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** A node in a process of its own, which can be killed. */
export class CommandLineNode {
  readonly url: string;
  readonly port: number;
  private readonly child: ChildProcess;

  private constructor(child: ChildProcess, url: string, port: number) {
    this.child = child;
    this.url = url;
    this.port = port;
  }

  /** Starts a node and waits until it serves. @throws Error when it ends instead. */
  static async start(folder: string, flags: readonly string[], port = 0): Promise<CommandLineNode> {
    const words = [
      '--data',
      folder,
      '--port',
      String(port),
      '--amqp-port',
      '0',
      '--shards',
      '2',
      '--log-format',
      'json',
    ];
    const child = spawn(process.execPath, [main, 'start', ...words, ...engineFlags(), ...flags], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines: string[] = [];
    const { url, port: bound } = await new Promise<{ url: string; port: number }>((resolve, reject) => {
      createInterface(child.stdout).on('line', (line) => {
        lines.push(line);
        const fields = JSON.parse(line) as { url?: string; port?: number };
        if (fields.url !== undefined && fields.port !== undefined) resolve({ url: fields.url, port: fields.port });
      });
      child.once('exit', (code) => reject(new Error(`The node ended with ${code}: ${lines.join('\n')}`)));
    });
    return new CommandLineNode(child, url, bound);
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill(signal);
    await gone;
  }

  /** Ends it without a warning. */
  kill(): Promise<void> {
    return this.end('SIGKILL');
  }

  /** Ends it in good order. */
  stop(): Promise<void> {
    return this.end('SIGTERM');
  }
}
