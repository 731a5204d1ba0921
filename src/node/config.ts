/**
 * The node's settings: names, defaults, ranges, and where they come from — defaults, then `--config FILE` (YAML), the environment (`DUOLOG_` and
 * capitals), flags. Users' scripts rely on these names.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { CodedError } from '../base/errors.js';

/** A setting is unknown or bad; the message names it. */
export class ConfigError extends CodedError<'unknown-setting' | 'bad-setting' | 'unreadable-file'> {}

const MIB = 1024 * 1024;

/** A TCP port: 0 takes any free one, `off` closes the door. */
const port = z.union([
  z.literal('off'),
  z.coerce.number('must be a port number or off').int().min(0).max(65535, 'must be at most 65535'),
]);
const count = (min: number, max: number) =>
  z.coerce.number(`must be a whole number from ${min} to ${max}`).int(`must be a whole number`).min(min).max(max);
const flag = z.union([z.boolean(), z.stringbool()]);

/** Sizes in bytes; `16MiB`, `64k` and the like are understood. */
const size = (min: number, max: number) =>
  z
    .union([z.number(), z.string().transform(parseSize)])
    .refine((bytes) => Number.isInteger(bytes) && bytes >= min && bytes <= max, {
      error: `must be a size from ${min} to ${max} bytes, such as 65536, 64k or 64MiB`,
    });

/** The settings in force. Sizes in bytes. */
const schema = z.strictObject({
  data: z.string().min(1).default('./data'),
  host: z.string().min(1).default('127.0.0.1'),
  advertisedHost: z.string().min(1).optional(),
  port: port.default(7700),
  nodeId: count(1, 2 ** 31 - 1).default(1),
  nodeName: z.string().min(1).max(255).optional(),
  /** 0 runs the one shard on the main thread. */
  shards: count(0, 64).default(() => Math.min(64, availableParallelism())),
  defaultPartitions: count(1, 10_000).default(1),
  wsEngine: z.enum(['uws', 'ws']).optional(),
  maxMessageSize: size(1024, 256 * MIB).default(16 * MIB),
  maxConnections: count(1, 1_000_000).default(50_000),
  allowAnonymous: flag.default(false),
  /** Exact origins that browsers may connect from, besides the node's own. */
  allowedOrigins: z.union([z.array(z.string()), z.string().transform((text) => text.split(','))]).default([]),
  idleTimeout: count(8, 960).default(120),
  journalSize: size(8 * MIB, 4096 * MIB).default(64 * MIB),
  ringMemory: size(1 * MIB, 16384 * MIB).default(256 * MIB),
  /** Seconds between two rounds of retention and cleaning. */
  maintenanceInterval: count(1, 86_400).default(5),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
});

/** The settings in force; see the schema above. */
export type NodeConfig = z.infer<typeof schema>;
/** Settings as given: any subset, not yet checked. */
export type NodeSettings = z.input<typeof schema>;

/** The names of all settings, as keys of the configuration file. */
export const SETTING_NAMES: readonly string[] = Object.keys(schema.shape);

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: MIB, g: 1024 * MIB };

function parseSize(text: string): number {
  const match = /^(\d+)\s*([kmg]?)(i?b)?$/i.exec(text.trim());
  return match === null ? Number.NaN : Number(match[1]) * UNITS[match[2]!.toLowerCase()]!;
}

/** `maxMessageSize` as a flag: `max-message-size`. */
export function flagName(setting: string): string {
  return setting.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `maxMessageSize` in the environment: `DUOLOG_MAX_MESSAGE_SIZE`. */
export function environmentName(setting: string): string {
  return `DUOLOG_${flagName(setting).replaceAll('-', '_').toUpperCase()}`;
}

/** Where settings come from; later ones win. */
export interface ConfigSources {
  readonly file?: string | undefined;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly flags?: Readonly<Record<string, unknown>>;
}

/** Reads, merges and checks settings. @throws ConfigError that names the setting, its source and the value. */
export function loadConfig(sources: ConfigSources): NodeConfig {
  const merged: Record<string, unknown> = {};
  const origin: Record<string, string> = {};
  const take = (settings: Readonly<Record<string, unknown>>, describe: (name: string) => string): void => {
    for (const [name, value] of Object.entries(settings)) {
      if (value === undefined) continue;
      merged[name] = value;
      origin[name] = describe(name);
    }
  };
  if (sources.file !== undefined) take(readConfigFile(sources.file), (name) => `${flagName(name)} in ${sources.file}`);
  take(readEnvironment(sources.environment ?? {}), environmentName);
  take(sources.flags ?? {}, (name) => `--${flagName(name)}`);
  return checkConfig(merged, origin);
}

/** Checks settings that a program gives. @throws ConfigError that names the setting and the value. */
export function checkSettings(settings: NodeSettings): NodeConfig {
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  return checkConfig(given, {});
}

function checkConfig(settings: Record<string, unknown>, origin: Readonly<Record<string, string>>): NodeConfig {
  const parsed = schema.safeParse(settings);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  if (issue.code === 'unrecognized_keys') {
    const name = issue.keys[0]!;
    throw new ConfigError('unknown-setting', `Cannot start: there is no setting ${origin[name] ?? name}`);
  }
  const name = String(issue.path[0]);
  const value = JSON.stringify(settings[name]);
  throw new ConfigError('bad-setting', `Cannot start: ${origin[name] ?? name} is ${value}: ${issue.message}`);
}

/**
 * Beyond loopback nothing is anonymous unless somebody says so, and there are no users yet.
 * @throws ConfigError when the node would listen for strangers without having been told to.
 */
export function refuseStrangers(config: NodeConfig): void {
  if (config.allowAnonymous || config.port === 'off' || isLoopbackName(config.host)) return;
  throw new ConfigError(
    'bad-setting',
    `Cannot start: --host is "${config.host}", which others can reach, and anybody could do anything here. Say --allow-anonymous if that is meant`,
  );
}

function isLoopbackName(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

function readConfigFile(file: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = parseYaml(readFileSync(file, 'utf8'));
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new ConfigError(
      'unreadable-file',
      `Cannot start: cannot read the configuration file ${file}: ${text}`,
      error,
    );
  }
  if (parsed === null) return {};
  if (typeof parsed !== 'object' || Array.isArray(parsed)) {
    throw new ConfigError('unreadable-file', `Cannot start: ${file} does not hold settings by name`);
  }
  const settings: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(parsed)) {
    // Keys are written like flags; the camel-case form is understood, too.
    const name = key.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
    settings[name] = value;
  }
  return settings;
}

/** Variables that start with DUOLOG_ but are the command line's own, not settings of a node; those of our tests are passed over as well. */
const OTHER_VARIABLES = new Set(['DUOLOG_CONFIG', 'DUOLOG_URL']);

function readEnvironment(environment: Readonly<Record<string, string | undefined>>): Record<string, unknown> {
  const names = new Map(SETTING_NAMES.map((name) => [environmentName(name), name]));
  const settings: Record<string, unknown> = {};
  for (const [variable, value] of Object.entries(environment)) {
    if (
      !variable.startsWith('DUOLOG_') ||
      variable.startsWith('DUOLOG_TEST_') ||
      value === undefined ||
      value === '' ||
      OTHER_VARIABLES.has(variable)
    )
      continue;
    const name = names.get(variable);
    if (name === undefined) {
      throw new ConfigError('unknown-setting', `Cannot start: there is no setting ${variable}`);
    }
    settings[name] = value;
  }
  return settings;
}
