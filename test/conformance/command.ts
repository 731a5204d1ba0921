import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';

/** How a command ended. */
export interface Ended {
  readonly code: number;
  /** What it wrote to both of its outputs, the last megabyte. */
  readonly output: string;
}

const OUTPUT_MAX = 1_000_000;

/** What a command may be given. */
export interface CommandOptions {
  readonly cwd?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Ends the command, with its children, after so long. */
  readonly timeoutMs: number;
  /** Gets each line of standard output as it comes. */
  readonly onLine?: (line: string) => void;
}

/** Runs a command to its end. */
export async function command(name: string, args: readonly string[], options: CommandOptions): Promise<Ended> {
  const child = spawn(name, args, {
    cwd: options.cwd,
    // A group of its own, so that what it starts ends with it.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.environment },
  });
  let output = '';
  let rest = '';
  const collect = (text: string) => {
    output = (output + text).slice(-OUTPUT_MAX);
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    collect(text);
    if (options.onLine === undefined) return;
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) options.onLine(line);
  });
  child.stderr.setEncoding('utf8').on('data', collect);
  const endGroup = () => {
    if (child.pid !== undefined) killGroup(child.pid);
  };
  const timer = setTimeout(() => {
    collect(`\nended after ${options.timeoutMs} ms\n`);
    endGroup();
  }, options.timeoutMs);
  try {
    const [code] = await once(child, 'close');
    return { code: typeof code === 'number' ? code : 1, output };
  } catch (error) {
    return { code: 127, output: String(error) };
  } finally {
    clearTimeout(timer);
    endGroup();
  }
}

/** Runs a command that prepares something. @throws with its output when it fails. */
export async function mustRun(name: string, args: readonly string[], options: CommandOptions): Promise<void> {
  const { code, output } = await command(name, args, options);
  if (code !== 0) throw new Error(`${name} ${args.slice(0, 3).join(' ')} ended with ${code}:\n${output.slice(-3000)}`);
}

/** Whether a tool is there. */
export function hasTool(name: string, versionArgument = '--version'): boolean {
  return spawnSync(name, [versionArgument], { stdio: 'ignore' }).status === 0;
}

function killGroup(processId: number): void {
  try {
    process.kill(-processId, 'SIGKILL');
  } catch {
    // All of it has ended already.
  }
}
