/** A setting of the node as the command line shows it. The node checks values by itself; here are only names and words. */
export interface SettingFlag {
  /** The key in the node's configuration. */
  readonly setting: string;
  /** What stands for the value in help; absent: the flag alone means yes. */
  readonly value?: string;
  readonly description: string;
  /** Values that completion offers. */
  readonly choices?: readonly string[];
  /** May be given several times. */
  readonly isList?: boolean;
}

/**
 * Every setting of the node, in the order of the help text. A table of its own, checked against the node's by a test: reading the node's would load its
 * configuration code for every `duolog topic list`.
 */
export const SETTING_FLAGS: readonly SettingFlag[] = [
  { setting: 'data', value: 'folder', description: 'where everything is kept (default ./data)' },
  {
    setting: 'backupDir',
    value: 'folder',
    description: 'where administrators may have backups made (default: nowhere)',
  },
  { setting: 'host', value: 'address', description: 'the address to listen on (default 127.0.0.1)' },
  { setting: 'advertisedHost', value: 'name', description: 'the name under which clients reach this node' },
  { setting: 'port', value: 'port', description: 'WebSocket and HTTP; 0 = any free port, off = closed (default 7700)' },
  {
    setting: 'amqpPort',
    value: 'port',
    description: 'AMQP 0-9-1; 0 = any free port, off = closed (default 5672, or any free one with --port 0)',
  },
  {
    setting: 'amqpsPort',
    value: 'port',
    description: 'AMQP 0-9-1 over TLS; 0 = any free port, off = closed (default 5671 with certificates)',
  },
  {
    setting: 'managementPort',
    value: 'port',
    description: "the same as --port, where RabbitMQ's tools look; 0 = any free port, off = closed (default 15672)",
  },
  {
    setting: 'tlsCert',
    value: 'file',
    isList: true,
    description: 'PEM certificate with its chain: all ports but --amqp-port speak TLS; again for other host names',
  },
  { setting: 'tlsKey', value: 'file', isList: true, description: 'its PEM key; again for each --tls-cert' },
  { setting: 'tlsCa', value: 'file', description: 'PEM authorities whose clients are believed' },
  {
    setting: 'tlsVerify',
    value: 'whether',
    choices: ['none', 'optional', 'required'],
    description: 'whether clients must show a certificate (default required with --tls-ca, else none)',
  },
  {
    setting: 'tlsLoginFrom',
    value: 'part',
    choices: ['distinguished_name', 'common_name', 'subject_alternative_name'],
    description: "which part of a client's certificate is its user name (default distinguished_name)",
  },
  {
    setting: 'tlsLoginSanType',
    value: 'type',
    choices: ['dns', 'ip', 'email', 'uri', 'other_name'],
    description: 'which alternative names count for that (default dns)',
  },
  { setting: 'tlsLoginSanIndex', value: 'number', description: 'and which of them, from 0 (default 0)' },
  {
    setting: 'defaultUser',
    value: 'name',
    description: 'who is made at the first start, with every permission on "/" (default guest)',
  },
  { setting: 'defaultPass', value: 'password', description: 'the password of that user (default guest)' },
  {
    setting: 'loopbackUsers',
    value: 'names',
    description: 'users who come in from loopback only, separated by commas; none = no such users (default guest)',
  },
  {
    setting: 'anonymous',
    value: 'where',
    choices: ['off', 'loopback', 'everywhere'],
    description: 'from where native clients need no login (default loopback)',
  },
  { setting: 'allowAnonymous', description: 'serve clients without credentials beyond loopback' },
  {
    setting: 'allowedOrigins',
    value: 'origins',
    description: 'origins that browsers may come from, separated by commas',
  },
  {
    setting: 'jwtJwks',
    value: 'source',
    description: 'a file or an https address with the keys that tokens are checked with; with it tokens are logins',
  },
  { setting: 'jwtKey', value: 'file', description: 'one such key in PEM, instead or besides' },
  {
    setting: 'jwtAlgorithms',
    value: 'names',
    description: 'how tokens may be signed, separated by commas (default RS256,ES256)',
  },
  { setting: 'jwtIssuer', value: 'url', description: 'whose tokens count: their iss' },
  {
    setting: 'jwtAudience',
    value: 'name',
    description: 'the name of this node or cluster in tokens: one of their aud',
  },
  { setting: 'jwtClockSkew', value: 'seconds', description: 'by how much clocks may differ (default 2)' },
  {
    setting: 'jwtUsernameClaim',
    value: 'names',
    description: 'which claim of a token names the user: the first that is there (default sub,client_id)',
  },
  { setting: 'jwtScopeClaim', value: 'name', description: 'which claim has the scopes (default scope)' },
  {
    setting: 'jwtScopePrefix',
    value: 'text',
    description: 'what scopes for this node begin with (default: the audience and a dot)',
  },
  {
    setting: 'jwtRefreshInterval',
    value: 'seconds',
    description: 'between two looks at the keys (default 300)',
  },
  { setting: 'nodeId', value: 'number', description: 'the number of this node (default 1)' },
  { setting: 'nodeName', value: 'name', description: 'the name of this node, shown to operators' },
  {
    setting: 'shards',
    value: 'count',
    description: 'worker threads; 0 = all in one thread (default: one per core, one on two cores)',
  },
  {
    setting: 'defaultPartitions',
    value: 'count',
    description: 'partitions of a topic that asks for no number (default 1)',
  },
  {
    setting: 'wsEngine',
    value: 'engine',
    choices: ['uws', 'ws'],
    description: 'uws or ws (default: uws where it loads)',
  },
  { setting: 'maxMessageSize', value: 'size', description: 'key, value and headers of one message (default 16MiB)' },
  { setting: 'maxConnections', value: 'count', description: 'connections at once (default 50000)' },
  {
    setting: 'idleTimeout',
    value: 'seconds',
    description: 'silence after which a connection is given up (default 120)',
  },
  {
    setting: 'resumeWindow',
    value: 'seconds',
    description: 'how long at most a native session outlives its connection (default 30)',
  },
  {
    setting: 'consumerTimeout',
    value: 'seconds',
    description: 'how long a delivery may stay unacknowledged; 0 = for ever (default 1800)',
  },
  { setting: 'journalSize', value: 'size', description: 'journal of each shard (default 64MiB)' },
  {
    setting: 'maxDefinitionsSize',
    value: 'size',
    description: 'longest file of definitions that can be imported (default 8MiB)',
  },
  {
    setting: 'maintenanceInterval',
    value: 'seconds',
    description: 'between two rounds of retention and cleaning (default 5)',
  },
  {
    setting: 'stopTimeout',
    value: 'seconds',
    description: 'how long an orderly stop may take; then the node ends at once (default 10)',
  },
  { setting: 'ringMemory', value: 'size', description: 'memory for what shards say to each other (default 256MiB)' },
  {
    setting: 'memoryLimit',
    value: 'size',
    description: "resident memory above which publishers wait; 0 = six tenths of the machine's (default 0)",
  },
  {
    setting: 'diskFreeLimit',
    value: 'size',
    description: 'free disk space below which publishers wait (default 50MiB)',
  },
  {
    setting: 'logLevel',
    value: 'level',
    choices: ['trace', 'debug', 'info', 'warn', 'error', 'silent'],
    description: 'least severe line that is logged (default info)',
  },
];

/** `maxMessageSize` as a flag: `max-message-size`. */
export function settingFlagName(setting: string): string {
  return setting.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
