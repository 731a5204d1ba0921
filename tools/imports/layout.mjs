// The folders of src/ and what each may import: the one table behind the import rules.

/** Packages that are the operating system by another name: only src/io/ may touch them. */
export const systemPackages = ['uWebSockets.js', 'ws', 'koffi', '@node-rs/crc32'];
const codecPackages = ['snappy', 'lz4-napi', '@bokuweb/zstd-wasm'];

/** Builtins that compute and touch nothing outside the process. */
const pureBuiltins = ['buffer', 'util', 'path', 'url', 'string_decoder'];

const everything = ['.+'];
const packagesAboveTheSystem = [`(?!(${systemPackages.join('|')})/).+`];

/**
 * `imports`: paths below src/ (regular expressions anchored at their start) besides the folder itself.
 * `packages`, `builtins`: names (regular expressions) that it may import outside tests.
 * @type {Record<string, { imports: string[], packages: string[], builtins: string[] }>}
 */
export const layout = {
  base: { imports: [], packages: [], builtins: [] },
  proto: { imports: [], packages: ['protobufjs'], builtins: [] },
  io: { imports: ['base/'], packages: everything, builtins: everything },
  record: { imports: ['base/'], packages: codecPackages, builtins: ['zlib'] },
  storage: { imports: ['base/', 'io/', 'record/'], packages: [], builtins: pureBuiltins },
  broker: {
    imports: ['base/', 'record/', 'storage/', 'io/ports\\.ts', 'io/ring/layout\\.ts'],
    // Regular expressions from outside, in linear time.
    packages: ['re2js'],
    builtins: [],
  },
  cluster: { imports: ['base/', 'record/', 'storage/', 'broker/', 'io/ports\\.ts'], packages: [], builtins: [] },
  doors: {
    imports: ['base/', 'io/', 'record/', 'storage/', 'broker/', 'proto/'],
    // The management API's bodies are checked by schemas.
    packages: ['zod'],
    builtins: [...pureBuiltins, 'crypto', 'zlib'],
  },
  // Node 20 has no WebSocket of its own, so the client may load `ws` there; the browser bundle is checked to be free of it.
  client: { imports: ['base/', 'record/', 'proto/'], packages: ['ws'], builtins: [] },
  streams: { imports: ['base/', 'record/', 'client/'], packages: [], builtins: [] },
  sql: { imports: ['base/', 'record/', 'client/', 'streams/'], packages: [], builtins: [] },
  node: { imports: ['(?!cli/)'], packages: packagesAboveTheSystem, builtins: everything },
  cli: {
    imports: ['base/', 'record/', 'proto/', 'client/', 'node/config'],
    packages: packagesAboveTheSystem,
    builtins: everything,
  },
};
