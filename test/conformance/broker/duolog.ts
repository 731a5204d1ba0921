import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { RunningBroker } from './broker.js';
import { freePort, newFolder, stopProcess } from './processes.js';

const root = process.env['DUOLOG_ROOT'] ?? process.cwd();
/** pino's number for `error`. */
const ERROR_LEVEL = 50;

interface LogLine {
  readonly level?: number;
  readonly msg?: string;
  readonly port?: number;
  readonly amqpPort?: number;
}

/** Starts the node in dist/ on free ports with a folder of its own. @throws when it ends instead of serving. */
export async function startDuolog(shards?: number, managementPort = 0): Promise<RunningBroker> {
  const folder = await newFolder('node');
  const pagePort = await freePort();
  const options = ['--data', join(folder, 'data'), '--port', '0', '--amqp-port', '0', '--log-format', 'json'];
  options.push('--management-port', String(managementPort));
  options.push('--allowed-origins', `http://127.0.0.1:${pagePort}`);
  if (shards !== undefined) options.push('--shards', String(shards));
  const child = spawn(process.execPath, [join(root, 'dist/cli/main.js'), 'start', ...options], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own: an interrupt is for the program that started it, which stops it in good order.
    detached: true,
  });
  const complaints: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (text: string) => complaints.push(text.trim()));
  const serving = new Promise<LogLine>((resolve, reject) => {
    let rest = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const fields = readLine(line);
        if (fields.msg === 'Duolog serves') resolve(fields);
        if ((fields.level ?? 0) >= ERROR_LEVEL || line.includes('BugError')) complaints.push(line);
      }
    });
    child.once('exit', (code) => reject(new Error(`The node ended with ${code}: ${complaints.join('\n')}`)));
  });
  const stop = () => stopProcess(child, folder);
  try {
    const { port, amqpPort } = await serving;
    if (amqpPort === undefined) throw new Error('The node says no AMQP port');
    return { name: 'duolog', host: '127.0.0.1', amqpPort, webPort: port, pagePort, complaints: () => complaints, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function readLine(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return {};
  }
}
