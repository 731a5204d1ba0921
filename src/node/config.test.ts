import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigError, checkSettings, environmentName, flagName, loadConfig } from './config.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'duolog-config-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function file(text: string): string {
  const path = join(folder, 'duolog.yaml');
  writeFileSync(path, text);
  return path;
}

function refusal(work: () => unknown): ConfigError {
  try {
    work();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('Nothing was refused');
}

describe('sources', () => {
  test('defaults', () => {
    const config = loadConfig({});
    expect(config).toMatchObject({ data: './data', host: '127.0.0.1', port: 7700, nodeId: 1, defaultPartitions: 1 });
    expect(config.maxMessageSize).toBe(16 * 1024 * 1024);
  });

  test('flags win over the environment, which wins over the file', () => {
    const path = file('port: 1000\nmax-message-size: 1MiB\ndefault-partitions: 3\nallow-anonymous: true\n');
    const environment = { DUOLOG_PORT: '2000', DUOLOG_NODE_ID: '7', HOME: '/elsewhere' };
    const config = loadConfig({ file: path, environment, flags: { port: '3000' } });
    expect(config).toMatchObject({ port: 3000, nodeId: 7, defaultPartitions: 3, allowAnonymous: true });
    expect(config.maxMessageSize).toBe(1024 * 1024);
    expect(loadConfig({ file: path, environment }).port).toBe(2000);
    expect(loadConfig({ file: path }).port).toBe(1000);
  });

  test('an empty variable counts as absent, an empty file as no settings', () => {
    expect(loadConfig({ environment: { DUOLOG_PORT: '' } }).port).toBe(7700);
    expect(loadConfig({ file: file('') }).port).toBe(7700);
  });

  test('a closed door and any free port', () => {
    expect(loadConfig({ flags: { port: 'off' } }).port).toBe('off');
    expect(loadConfig({ flags: { port: '0' } }).port).toBe(0);
  });

  test('sizes with units', () => {
    const size = (text: string) => checkSettings({ maxMessageSize: text }).maxMessageSize;
    expect([size('65536'), size('64k'), size('64KiB'), size('1 mb')]).toEqual([65536, 65536, 65536, 1048576]);
  });

  test('text for what is no text in a configuration', () => {
    const environment = {
      DUOLOG_ALLOW_ANONYMOUS: 'Yes',
      DUOLOG_ALLOWED_ORIGINS: 'https://a.example,https://b.example',
      DUOLOG_WS_ENGINE: 'ws',
    };
    expect(loadConfig({ environment })).toMatchObject({
      allowAnonymous: true,
      allowedOrigins: ['https://a.example', 'https://b.example'],
      wsEngine: 'ws',
    });
    const config = loadConfig({ environment });
    expect(checkSettings(config)).toEqual(config);
  });

  test('names of a setting', () => {
    expect(flagName('maxMessageSize')).toBe('max-message-size');
    expect(environmentName('maxMessageSize')).toBe('DUOLOG_MAX_MESSAGE_SIZE');
  });
});

describe('what is refused names the setting', () => {
  test('unknown ones, by their source, with the one that is meant, or those that there are', () => {
    expect(refusal(() => loadConfig({ flags: { prot: '1' } })).message).toBe(
      'Cannot start: there is no setting --prot. Did you mean port?',
    );
    expect(refusal(() => loadConfig({ environment: { DUOLOG_MAX_MESAGE_SIZE: '1' } })).message).toBe(
      'Cannot start: there is no setting DUOLOG_MAX_MESAGE_SIZE. Did you mean DUOLOG_MAX_MESSAGE_SIZE?',
    );
    expect(refusal(() => loadConfig({ flags: { retentionOfTopics: '1' } })).message).toMatch(
      /^Cannot start: there is no setting --retention-of-topics\. There are data, backup-dir, host, advertised-host, port, /,
    );
    const path = file('# A comment.\nport: 0\nprot: 1\n');
    expect(refusal(() => loadConfig({ file: path })).message).toContain(
      `Cannot start: there is no setting prot in ${path}, line 3. Did you mean port?`,
    );
  });

  test('files that are not what they should be, by the line, in one line', () => {
    const bad: [string, string][] = [
      ['port: 7700\n  shards: [1\n', ', line 1, is no YAML: '],
      ['data: x\nport: 1\nport: 2\n', ', line 3, is no YAML: Map keys must be unique'],
      ['host: "a\n', 'is no YAML: Missing closing "quote'],
      ['- a\n- b\n', ' must hold one setting per line, such as "port: 7700"'],
      ['port 7700\n', ' must hold one setting per line, such as "port: 7700"'],
    ];
    for (const [text, complaint] of bad) {
      const path = file(text);
      const { message, code } = refusal(() => loadConfig({ file: path }));
      expect(code).toBe('unreadable-file');
      expect(message).toContain(path);
      expect(message).toContain(complaint);
      expect(message).not.toContain('\n');
    }
    for (const text of ['# Nothing here.\n', 'null\n', '{}\n'])
      expect(loadConfig({ file: file(text) }).port).toBe(7700);
  });

  test('bad ones, with the value', () => {
    expect(refusal(() => loadConfig({ flags: { port: '70000' } })).message).toMatch(/--port is "70000"/);
    expect(refusal(() => loadConfig({ environment: { DUOLOG_SHARDS: 'many' } })).message).toMatch(
      /DUOLOG_SHARDS is "many": must be a whole number from 0 to 64/,
    );
    expect(refusal(() => checkSettings({ maxMessageSize: 'large' })).message).toBe(
      'Cannot start: maxMessageSize is "large": must be a size from 1024 to 268435456 bytes, such as 65536, 64k or 64MiB',
    );
    const bad: [Record<string, unknown>, string][] = [
      [{ shards: '' }, 'must be a whole number from 0 to 64'],
      [{ shards: '1e1' }, 'must be a whole number from 0 to 64'],
      [{ shards: 1.5 }, 'must be a whole number from 0 to 64'],
      [{ shards: 65 }, 'must be a whole number from 0 to 64'],
      [{ port: null }, 'must be a port number, at most 65535, or off'],
      [{ host: '' }, 'must be text'],
      [{ 'node-name': 'x'.repeat(256) }, 'must have at most 255 characters'],
      [{ 'allow-anonymous': 'perhaps' }, 'must be true or false'],
      [{ 'log-level': 'loud' }, 'must be one of trace, debug, info, warn, error, silent'],
      [{ 'allowed-origins': [7] }, 'must be a list of words'],
      [{ 'journal-size': '1MiB' }, 'must be a size from 8388608 to 4294967296 bytes, such as 65536, 64k or 64MiB'],
    ];
    for (const [settings, complaint] of bad) {
      const path = file(JSON.stringify(settings));
      const [name, value] = Object.entries(settings)[0]!;
      expect(refusal(() => loadConfig({ file: path })).message).toBe(
        `Cannot start: ${name} in ${path}, line 1, is ${JSON.stringify(value)}: ${complaint}`,
      );
    }
    expect(refusal(() => loadConfig({ file: join(folder, 'none.yaml') })).message).toContain('none.yaml');
  });
});
