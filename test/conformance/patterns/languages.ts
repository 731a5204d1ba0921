import { cpSync, existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build } from 'esbuild';
import type { RunningBroker } from '../broker/broker.js';
import { cachedFolder, cachePath, root } from '../cache.js';
import { command, type Ended, hasTool, mustRun } from '../command.js';
import { runPage } from './browser.js';

const examples = join(root, 'docs/examples/amqp');
const PREPARE_MS = 600_000;
const RUN_MS = 60_000;

/** One program that verifies itself. */
export interface Program {
  readonly name: string;
  readonly run: (broker: RunningBroker) => Promise<Ended>;
}

/** The programs of a language, or of a library of its own. */
export interface Language {
  readonly name: string;
  /** Why they cannot run here; undefined when they can. */
  readonly missing: (broker: RunningBroker) => string | undefined;
  /** Fetches what they need and builds them. */
  readonly prepare: () => Promise<readonly Program[]>;
}

/** Where the examples find the broker. */
function environmentOf({ host, amqpPort, webPort }: RunningBroker): Record<string, string> {
  return {
    AMQP_URL: `amqp://guest:guest@${host}:${amqpPort}/%2f`,
    ...(webPort === undefined ? {} : { DUOLOG_URL: `ws://${host}:${webPort}/ws` }),
  };
}

const program = (name: string, tool: string, args: readonly string[], cwd?: string): Program => ({
  name,
  run: (broker) =>
    command(tool, args, {
      environment: environmentOf(broker),
      timeoutMs: RUN_MS,
      ...(cwd === undefined ? {} : { cwd }),
    }),
});

const needs = (tool: string, versionArgument?: string) => () =>
  hasTool(tool, versionArgument) ? undefined : `there is no ${tool} on the path`;
const filesIn = (folder: string, ending: string) => readdirSync(folder).filter((file) => file.endsWith(ending));

function python(): Promise<string> {
  return cachedFolder('python-1', async (folder) => {
    await mustRun('python3', ['-m', 'venv', '--copies', folder], { timeoutMs: PREPARE_MS });
    const packages = ['pika==1.3.2', 'celery==5.5.3'];
    await mustRun(join(folder, 'bin/python'), ['-m', 'pip', '-q', 'install', ...packages], { timeoutMs: PREPARE_MS });
  });
}

function packages(): Promise<string> {
  return cachedFolder('node-1', async (folder) => {
    const names = ['amqplib@2.3.1', '@cloudamqp/amqp-client@4.1.1'];
    await mustRun('npm', ['install', '--prefix', folder, '--save-exact', '--ignore-scripts', ...names], {
      cwd: folder,
      timeoutMs: PREPARE_MS,
    });
  });
}

/** Bundles a TypeScript program with its packages, for Node. */
async function bundled(file: string): Promise<string> {
  const outfile = cachePath('bundles', `${file.slice(examples.length + 1).replaceAll('/', '-')}.mjs`);
  await build({
    entryPoints: [file],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    nodePaths: [join(await packages(), 'node_modules')],
    alias: { 'duolog/client': join(root, 'dist/client/index.js') },
    // Packages in the old module format look for Node's own modules by `require`.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    logLevel: 'error',
  });
  return outfile;
}

async function typeScript(folder: string): Promise<Program[]> {
  const files = filesIn(join(examples, folder), '.ts');
  return await Promise.all(
    files.map(async (file) => program(file, process.execPath, [await bundled(join(examples, folder, file))])),
  );
}

async function maven(folder: string, classes: readonly string[]): Promise<Program[]> {
  const target = cachePath(`maven-${folder}`);
  cpSync(join(examples, folder), target, { recursive: true });
  const goals = [
    '-B',
    '-q',
    'compile',
    'dependency:copy-dependencies',
    '-DoutputDirectory=libs',
    '-DincludeScope=runtime',
  ];
  await mustRun('mvn', goals, { cwd: target, timeoutMs: PREPARE_MS });
  const path = `${join(target, 'target/classes')}:${join(target, 'libs/*')}`;
  return classes.map((name) => program(name, 'java', ['-cp', path, `example.${name}`]));
}

async function goPrograms(): Promise<Program[]> {
  const source = join(examples, 'go');
  const target = cachePath('go-programs');
  const options = { cwd: source, environment: { GOMODCACHE: cachePath('go-modules') }, timeoutMs: PREPARE_MS };
  await mustRun('go', ['build', '-o', `${target}/`, './...'], options);
  const names = readdirSync(source).filter((name) => existsSync(join(source, name, 'main.go')));
  return names.map((name) => program(name, join(target, name), []));
}

function javaClasses(): string[] {
  return filesIn(join(examples, 'java/src/main/java/example'), '.java')
    .map((file) => basename(file, '.java'))
    .filter((name) => name !== 'Example');
}

/** All that there is, in the order in which it runs. */
export const LANGUAGES: readonly Language[] = [
  { name: 'typescript', missing: needs('npm'), prepare: () => typeScript('typescript') },
  { name: 'cloudamqp', missing: needs('npm'), prepare: () => typeScript('cloudamqp') },
  {
    name: 'native',
    missing: ({ webPort }) => (webPort === undefined ? 'this broker has no native door' : undefined),
    prepare: () => typeScript('native'),
  },
  {
    name: 'browser',
    missing: ({ webPort }) => (webPort === undefined ? 'this broker has no AMQP over WebSocket' : undefined),
    prepare: async () => {
      const folder = join(await packages(), 'node_modules');
      return [{ name: 'page.ts', run: (broker) => runPage(join(examples, 'browser/page.ts'), folder, broker) }];
    },
  },
  {
    name: 'python',
    missing: needs('python3'),
    prepare: async () => {
      const tool = join(await python(), 'bin/python');
      return filesIn(join(examples, 'python'), '.py').map((file) =>
        program(file, tool, [join(examples, 'python', file)]),
      );
    },
  },
  {
    name: 'celery',
    missing: needs('python3'),
    prepare: async () => {
      const folder = join(examples, 'celery');
      // -B: no compiled files beside the sources.
      return [program('main.py', join(await python(), 'bin/python'), ['-B', join(folder, 'main.py')], folder)];
    },
  },
  { name: 'java', missing: needs('mvn'), prepare: () => maven('java', javaClasses()) },
  { name: 'spring', missing: needs('mvn'), prepare: () => maven('spring', ['Listener']) },
  { name: 'go', missing: needs('go', 'version'), prepare: goPrograms },
];
