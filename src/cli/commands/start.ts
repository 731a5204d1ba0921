import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { CodedError } from '../../base/errors.js';
import type { NodeConfig } from '../../node/config.js';
import type { RunningNode } from '../../node/index.js';
import type { NodeLog } from '../../node/log.js';
import { CliError } from '../exit-codes.js';
import { humanLog } from '../human-log.js';
import { SETTING_FLAGS, type SettingFlag, settingFlagName } from '../node-settings.js';
import type { Terminal } from '../terminal.js';

interface StartOptions extends Record<string, unknown> {
  readonly config?: string;
  readonly logFormat: 'auto' | 'json' | 'text';
}

/** Options of other commands that a node would silently ignore. */
const CLIENT_OPTIONS = [
  'url',
  'timeout',
  'output',
  'ca',
  'clientCert',
  'clientKey',
  'insecure',
  'context',
  'user',
  'password',
  'token',
  'vhost',
] as const;

/** `duolog start`: runs a node in this process until it is told to stop. */
export function addStart(program: Command, terminal: Terminal, version: string): void {
  const start = program.command('start').summary('run a node').description('Run a node until Ctrl-C or SIGTERM.');
  start.addOption(
    new Option('-c, --config <file>', 'settings from a YAML file, by the names of the flags below').env(
      'DUOLOG_CONFIG',
    ),
  );
  for (const flag of SETTING_FLAGS) start.addOption(settingOption(flag));
  start.addOption(
    new Option('--log-format <format>', 'auto = text on a terminal, JSON lines elsewhere')
      .choices(['auto', 'json', 'text'])
      .default('auto'),
  );
  start.addHelpText(
    'after',
    '\nEach setting can also come from the environment (DUOLOG_DATA, DUOLOG_MAX_MESSAGE_SIZE, ...); flags win over it,\nand it wins over the file.',
  );
  start.action(async (options: StartOptions) => {
    for (const name of CLIENT_OPTIONS) {
      if (program.getOptionValueSource(name) === 'cli') {
        const flag = settingFlagName(name);
        throw new CliError('usage', `Cannot start a node with --${flag}: that is for commands that talk to one`);
      }
    }
    await runNode(options, terminal, version);
  });
}

function settingOption({ setting, value, description, choices, isList }: SettingFlag): Option {
  const flags = `--${settingFlagName(setting)}${value === undefined ? '' : ` <${value}>`}`;
  const option = new Option(flags, description);
  // Only for completion: the node itself checks, and its message names the source of the value.
  if (choices !== undefined) option.argChoices = [...choices];
  if (isList === true) option.argParser((word: string, before?: string[]) => [...(before ?? []), word]);
  return option;
}

async function runNode(options: StartOptions, terminal: Terminal, version: string): Promise<void> {
  // Loaded here, so that no other command pays for it.
  const [{ loadConfig }, { startNode }, { structuredLog }] = await Promise.all([
    import('../../node/config.js'),
    import('../../node/index.js'),
    import('../../node/log.js'),
  ]);
  const flags = Object.fromEntries(SETTING_FLAGS.map(({ setting }) => [setting, options[setting]]));
  const config = loadConfig({ file: options.config, environment: terminal.environment, flags });
  const isText = options.logFormat === 'text' || (options.logFormat === 'auto' && terminal.stdout.isTTY === true);
  const log = isText
    ? humanLog(terminal.stdout, terminal.environment, config.logLevel)
    : structuredLog(config.logLevel);
  const startedMs = performance.now();
  const node = await startNode(config, { log }).catch((error: unknown) => {
    throw explained(error, config);
  });
  announce(node, log, isText, version, performance.now() - startedMs);
  const reload = (): void => node.reloadTls();
  // Without certificates the signal means what it always does: the terminal is gone.
  if (config.tlsCert.length > 0) process.on('SIGHUP', reload);
  await untilInterrupted(terminal.interrupted);
  process.off('SIGHUP', reload);
  await node.stop(stopReason(terminal.interrupted));
}

/** Says where the node is and how to stop it: one line of fields for programs, several lines for people. */
function announce(node: RunningNode, log: NodeLog, isText: boolean, version: string, tookMs: number): void {
  const { url, engine, config } = node;
  const data = resolve(config.data);
  if (!isText) {
    const fields = {
      url,
      port: node.port,
      amqpPort: node.amqpPort,
      amqpsPort: node.amqpsPort,
      managementPort: node.managementPort,
      data,
      shards: config.shards,
      engine: engine.engine,
      engineReason: engine.reason,
    };
    log.info({ ...fields, version, tookMs: Math.round(tookMs) }, 'Duolog serves');
    return;
  }
  const lines = [
    `Duolog ${version} serves, after ${Math.round(tookMs)} ms`,
    `  clients   ${url ?? 'none: the port is off'}`,
    `  amqp      ${node.amqpPort === undefined ? 'none: the port is off' : `${config.host}:${node.amqpPort}`}`,
    ...(node.amqpsPort === undefined ? [] : [`  amqps     ${config.host}:${node.amqpsPort}`]),
    `  data      ${data}`,
    `  shards    ${config.shards === 0 ? 'none: all in one thread' : config.shards}`,
    `  engine    ${engine.engine}${engine.reason === '' ? '' : `: ${engine.reason}`}`,
    '  stop      Ctrl-C',
  ];
  log.info({}, lines.join('\n'));
}

function untilInterrupted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((done) => signal.addEventListener('abort', () => done(), { once: true }));
}

/** Why the node stops, for its log and for its clients. */
function stopReason({ reason }: AbortSignal): string {
  const isCtrlC = reason instanceof CliError && reason.code === 'interrupted';
  return isCtrlC ? 'The node was interrupted (SIGINT)' : 'The node was asked to terminate (SIGTERM)';
}

/** Adds what a person can do about the start that failed; bugs keep their stack. */
function explained(error: unknown, config: NodeConfig): unknown {
  if (!(error instanceof CodedError)) return error;
  const hint = hints[String(error.code)]?.(config);
  return hint === undefined ? error : new CliError('failed', error.message, hint, error);
}

const hints: Readonly<Record<string, (config: NodeConfig) => string>> = {
  'in-use': () => 'Stop the other node, or give this one a folder of its own: --data FOLDER',
  'address-in-use': () =>
    'Stop what listens there, or take another: --port, --amqp-port, --amqps-port and --management-port name them, 0 takes any free one',
};
