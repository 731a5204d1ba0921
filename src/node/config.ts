/**
 * The node's settings: names, defaults, ranges, and where they come from — defaults, then `--config FILE` (YAML), the environment (`DUOLOG_` and
 * capitals), flags. Users' scripts rely on these names.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { closestName } from '../base/closest.js';
import { CodedError } from '../base/errors.js';
import { BadValue, count, flag, list, oneOf, port, type ReadValue, size, text } from './setting-values.js';

/** A setting is unknown or bad; the message names it. */
export class ConfigError extends CodedError<'unknown-setting' | 'bad-setting' | 'unreadable-file'> {}

/** As long as Docker waits before it kills; other supervisors wait for longer. */
const STOP_TIMEOUT_SECONDS = 10;
const MIB = 1024 * 1024;

/** The settings in force. Sizes in bytes. */
export interface NodeConfig {
  readonly data: string;
  /** Where administrators may have backups made; absent = nowhere. */
  readonly backupDir?: string | undefined;
  readonly host: string;
  readonly advertisedHost?: string | undefined;
  readonly port: number | 'off';
  /** AMQP 0-9-1 over TCP. */
  readonly amqpPort: number | 'off';
  /** AMQP 0-9-1 over TLS; closed without certificates. */
  readonly amqpsPort: number | 'off';
  /** Where RabbitMQ's management clients look: WebSocket and HTTP, the same as on `port`. */
  readonly managementPort: number | 'off';
  /** Files with certificates; the first is the default, the others are chosen by the DNS names in them. Empty = no TLS. */
  readonly tlsCert: readonly string[];
  /** The key of each. */
  readonly tlsKey: readonly string[];
  /** A file with the authorities whose clients are believed. */
  readonly tlsCa?: string | undefined;
  /** Whether clients must show a certificate. */
  readonly tlsVerify: 'none' | 'optional' | 'required';
  /** Which part of a client's certificate is its user name; and for alternative names, of which type and which of these. */
  readonly tlsLoginFrom: 'distinguished_name' | 'common_name' | 'subject_alternative_name';
  readonly tlsLoginSanType: 'dns' | 'ip' | 'email' | 'uri' | 'other_name';
  readonly tlsLoginSanIndex: number;
  /** Made at the first start, with every permission on "/". */
  readonly defaultUser: string;
  readonly defaultPass: string;
  readonly nodeId: number;
  readonly nodeName?: string | undefined;
  /** 0 runs the one shard on the main thread. */
  readonly shards: number;
  readonly defaultPartitions: number;
  readonly wsEngine?: 'uws' | 'ws' | undefined;
  readonly maxMessageSize: number;
  readonly maxConnections: number;
  /** From where native sessions need no credentials. */
  readonly anonymous: 'off' | 'loopback' | 'everywhere';
  /** As `anonymous: everywhere`, and loopback users come in from everywhere. */
  readonly allowAnonymous: boolean;
  /** These users come in from loopback only; `none` = no such users. */
  readonly loopbackUsers: readonly string[];
  /** Exact origins that browsers may connect from, besides the node's own. */
  readonly allowedOrigins: readonly string[];
  /** A file or an https address with the keys that tokens are checked with. */
  readonly jwtJwks?: string | undefined;
  /** A file with one such key in PEM. */
  readonly jwtKey?: string | undefined;
  /** The ways of signing that count; tokens have no say in it. */
  readonly jwtAlgorithms: readonly string[];
  readonly jwtIssuer?: string | undefined;
  readonly jwtAudience?: string | undefined;
  /** By how much clocks may differ, in seconds. */
  readonly jwtClockSkew: number;
  /** The claims that can name the user; the first that is there does. */
  readonly jwtUsernameClaim: readonly string[];
  readonly jwtScopeClaim: string;
  /** Absent = the audience and a dot. */
  readonly jwtScopePrefix?: string | undefined;
  /** Seconds between two looks at the keys. */
  readonly jwtRefreshInterval: number;
  /** In seconds. */
  readonly idleTimeout: number;
  /** The longest time that native sessions may outlive their connection, in seconds; clients may ask for less. */
  readonly resumeWindow: number;
  /** How long a delivery may stay unacknowledged, in seconds, unless its queue says something else; 0 = for ever. */
  readonly consumerTimeout: number;
  readonly journalSize: number;
  readonly ringMemory: number;
  /** Resident memory above which publishers are held back; 0 = six tenths of the machine's. */
  readonly memoryLimit: number;
  /** Free space on the data folder's disk below which publishers are held back. */
  readonly diskFreeLimit: number;
  /** Longest file of definitions that the management API takes; the longest body of any HTTP request. */
  readonly maxDefinitionsSize: number;
  /** Seconds between two rounds of retention and cleaning. */
  readonly maintenanceInterval: number;
  /** Seconds that an orderly stop may take; then the node ends at once. */
  readonly stopTimeout: number;
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';
}

/** Settings as given: any subset, not yet checked; numbers, sizes and lists may be text as on the command line. */
export type NodeSettings = {
  readonly [Name in keyof NodeConfig]?: NodeConfig[Name] | (Name extends TextLike ? string : never) | undefined;
};
type TextLike = {
  [Name in keyof NodeConfig]: NodeConfig[Name] extends number | 'off' | boolean | readonly string[] ? Name : never;
}[keyof NodeConfig];

/** How a setting is read, and what it is when nobody gives it. */
interface Setting<Value> {
  readonly read: ReadValue<Value>;
  /** `chosen`: the settings that come before this one in the table. */
  readonly fallback: (chosen: Readonly<Record<string, unknown>>) => Value;
}

function setting<Value>(read: ReadValue<Value>, fallback: NoInfer<Value>): Setting<Value> {
  return { read, fallback: () => fallback };
}

const absent = (): undefined => undefined;

function hasNoCertificate(chosen: Readonly<Record<string, unknown>>): boolean {
  const { tlsCert } = chosen;
  return !Array.isArray(tlsCert) || tlsCert.length === 0;
}

/** The usual port of a door; any free one where another door takes any. */
function anyIfAny(chosen: Readonly<Record<string, unknown>>, usual: number): number {
  return chosen['port'] === 0 || chosen['amqpPort'] === 0 ? 0 : usual;
}

const SETTINGS: { readonly [Name in keyof Required<NodeConfig>]: Setting<NodeConfig[Name]> } = {
  data: setting(text(), './data'),
  backupDir: { read: text(), fallback: absent },
  host: setting(text(), '127.0.0.1'),
  advertisedHost: { read: text(), fallback: absent },
  port: setting(port, 7700),
  // Who takes any free port, for a test say, means all of them.
  amqpPort: { read: port, fallback: (chosen) => (chosen['port'] === 0 ? 0 : 5672) },
  tlsCert: setting(list, []),
  tlsKey: setting(list, []),
  tlsCa: { read: text(), fallback: absent },
  // Who names authorities wants to know whom they vouch for.
  tlsVerify: {
    read: oneOf('none', 'optional', 'required'),
    fallback: (chosen) => (chosen['tlsCa'] === undefined ? 'none' : 'required'),
  },
  tlsLoginFrom: setting(oneOf('distinguished_name', 'common_name', 'subject_alternative_name'), 'distinguished_name'),
  tlsLoginSanType: setting(oneOf('dns', 'ip', 'email', 'uri', 'other_name'), 'dns'),
  tlsLoginSanIndex: setting(count(0, 999), 0),
  amqpsPort: {
    read: port,
    fallback: (chosen) => (hasNoCertificate(chosen) ? 'off' : anyIfAny(chosen, 5671)),
  },
  managementPort: { read: port, fallback: (chosen) => (chosen['port'] === 'off' ? 'off' : anyIfAny(chosen, 15_672)) },
  defaultUser: setting(text(255), 'guest'),
  defaultPass: setting(text(255), 'guest'),
  nodeId: setting(count(1, 2 ** 31 - 1), 1),
  nodeName: { read: text(255), fallback: absent },
  shards: { read: count(0, 64), fallback: defaultShards },
  defaultPartitions: setting(count(1, 10_000), 1),
  wsEngine: { read: oneOf('uws', 'ws'), fallback: absent },
  maxMessageSize: setting(size(1024, 256 * MIB), 16 * MIB),
  maxConnections: setting(count(1, 1_000_000), 50_000),
  anonymous: setting(oneOf('off', 'loopback', 'everywhere'), 'loopback'),
  allowAnonymous: setting(flag, false),
  loopbackUsers: setting(list, ['guest']),
  allowedOrigins: setting(list, []),
  jwtJwks: { read: text(), fallback: absent },
  jwtKey: { read: text(), fallback: absent },
  jwtAlgorithms: setting(list, ['RS256', 'ES256']),
  jwtIssuer: { read: text(), fallback: absent },
  jwtAudience: { read: text(255), fallback: absent },
  jwtClockSkew: setting(count(0, 300), 2),
  jwtUsernameClaim: setting(list, ['sub', 'client_id']),
  jwtScopeClaim: setting(text(255), 'scope'),
  jwtScopePrefix: { read: text(255), fallback: absent },
  jwtRefreshInterval: setting(count(1, 86_400), 300),
  idleTimeout: setting(count(8, 960), 120),
  resumeWindow: setting(count(0, 3600), 30),
  consumerTimeout: setting(count(0, 31_536_000), 1800),
  journalSize: setting(size(8 * MIB, 4096 * MIB), 64 * MIB),
  ringMemory: setting(size(1 * MIB, 16384 * MIB), 256 * MIB),
  memoryLimit: setting(size(0, Number.MAX_SAFE_INTEGER), 0),
  diskFreeLimit: setting(size(0, Number.MAX_SAFE_INTEGER), 50 * MIB),
  maxDefinitionsSize: setting(size(64 * 1024, 512 * MIB), 8 * MIB),
  maintenanceInterval: setting(count(1, 86_400), 5),
  stopTimeout: setting(count(1, 3600), STOP_TIMEOUT_SECONDS),
  logLevel: setting(oneOf('trace', 'debug', 'info', 'warn', 'error', 'silent'), 'info'),
};

/**
 * One per core. On two cores, one: the other is for the kernel's network, the disk's threads and whoever is on the same machine. There two shards were
 * slower by a quarter with five queues between ten AMQP connections, and no faster in anything that clients on the same machine could show.
 */
function defaultShards(): number {
  const cores = availableParallelism();
  return cores <= 2 ? 1 : Math.min(64, cores);
}

/** The names of all settings, as keys of the configuration file. */
export const SETTING_NAMES: readonly string[] = Object.keys(SETTINGS);

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
  if (sources.file !== undefined) {
    const settings = readConfigFile(sources.file);
    const values = Object.fromEntries([...settings].map(([name, { value }]) => [name, value]));
    take(values, (name) => `${flagName(name)} in ${sources.file}, line ${settings.get(name)?.line}`);
  }
  take(readEnvironment(sources.environment ?? {}), environmentName);
  take(sources.flags ?? {}, (name) => `--${flagName(name)}`);
  return checkConfig(merged, origin);
}

/** Checks settings that a program gives. @throws ConfigError that names the setting and the value. */
export function checkSettings(settings: NodeSettings): NodeConfig {
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  return checkConfig(given, {});
}

function checkConfig(given: Readonly<Record<string, unknown>>, origin: Readonly<Record<string, string>>): NodeConfig {
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(SETTINGS, name));
  if (unknown !== undefined) throw unknownSetting(origin[unknown] ?? unknown, flagName(unknown), flagName);
  const config: Record<string, unknown> = {};
  for (const [name, { read, fallback }] of Object.entries(SETTINGS)) {
    const value = Object.hasOwn(given, name) ? checkValue(read, given[name], origin[name] ?? name) : fallback(config);
    if (value !== undefined) config[name] = value;
  }
  // The table has every key of the configuration, with a reader for its type.
  return config as unknown as NodeConfig;
}

/** `place`: the setting and where it came from; `spell`: how settings are written there. */
function unknownSetting(place: string, written: string, spell: (setting: string) => string): ConfigError {
  const known = SETTING_NAMES.map(spell);
  const meant = closestName(written, known);
  const advice = meant === undefined ? `There are ${known.join(', ')}` : `Did you mean ${meant}?`;
  return new ConfigError('unknown-setting', `Cannot start: there is no setting ${place}. ${advice}`);
}

function checkValue(read: ReadValue<unknown>, given: unknown, name: string): unknown {
  try {
    return read(given);
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
    // "port in FILE, line 3, is …", but "--port is …".
    const subject = name.includes(', line ') ? `${name},` : name;
    throw new ConfigError('bad-setting', `Cannot start: ${subject} is ${JSON.stringify(given)}: ${error.message}`);
  }
}

/** Whether a host that is listened on can be reached from this machine only. */
export function isLoopbackName(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** A setting of the configuration file, and the line that it stands on. */
interface FileSetting {
  readonly value: unknown;
  readonly line: number;
}

function readConfigFile(file: string): ReadonlyMap<string, FileSetting> {
  // Loaded here: a node without a file need not keep a YAML parser, 8 MB, for all its life.
  const yaml = createRequire(import.meta.url)('yaml') as typeof import('yaml');
  const lines = new yaml.LineCounter();
  // Errors are told by the line alone: the parser's own picture of it would take several.
  const document = yaml.parseDocument(readText(file), { lineCounter: lines, prettyErrors: false });
  const [error] = document.errors;
  if (error !== undefined) {
    const { line } = lines.linePos(error.pos[0]);
    throw unreadable(`${file}, line ${line}, is no YAML: ${error.message}`, error);
  }
  const settings = new Map<string, FileSetting>();
  if (document.contents === null || document.toJS() === null) return settings;
  if (!yaml.isMap(document.contents)) {
    throw unreadable(`${file} must hold one setting per line, such as "port: 7700"`);
  }
  const values = new Map(Object.entries(document.toJS() as Record<string, unknown>));
  for (const { key } of document.contents.items) {
    const name = String(yaml.isScalar(key) ? key.value : key);
    const line = yaml.isScalar(key) ? lines.linePos(key.range?.[0] ?? 0).line : 1;
    // Keys are written like flags; the camel-case form is understood, too.
    const camelCase = name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
    settings.set(camelCase, { value: values.get(name), line });
  }
  return settings;
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw unreadable(`cannot read the configuration file ${file}: ${reason}`, error);
  }
}

function unreadable(what: string, cause?: unknown): ConfigError {
  return new ConfigError('unreadable-file', `Cannot start: ${what}`, cause);
}

/** Variables that start with DUOLOG_ but are the command line's own, not settings of a node; those of our tests are passed over as well. */
const OTHER_VARIABLES = new Set([
  'DUOLOG_CONFIG',
  'DUOLOG_URL',
  'DUOLOG_CA',
  'DUOLOG_CLIENT_CERT',
  'DUOLOG_CLIENT_KEY',
  'DUOLOG_CONTEXT',
  'DUOLOG_USER',
  'DUOLOG_PASSWORD',
  'DUOLOG_TOKEN',
  'DUOLOG_VHOST',
]);

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
    if (name === undefined) throw unknownSetting(variable, variable, environmentName);
    settings[name] = value;
  }
  return settings;
}
