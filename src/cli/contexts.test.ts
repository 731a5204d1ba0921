import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { contextsFile, readContexts, writeContexts } from './contexts.js';
import { readNewSecret, readSecret } from './secrets.js';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function configured(): { readonly XDG_CONFIG_HOME: string } {
  const folder = mkdtempSync(join(tmpdir(), 'duolog-contexts-'));
  folders.push(folder);
  return { XDG_CONFIG_HOME: folder };
}

describe('contexts', () => {
  it('are where XDG says, or below the home folder', () => {
    expect(contextsFile({ XDG_CONFIG_HOME: '/x/y' })).toBe('/x/y/duolog/contexts.json');
    expect(contextsFile({ XDG_CONFIG_HOME: 'relative', HOME: '/h/a' })).toBe('/h/a/.config/duolog/contexts.json');
    expect(contextsFile({ HOME: '/h/a' })).toBe('/h/a/.config/duolog/contexts.json');
  });

  it('come back as they were, in a file for the owner alone', () => {
    const environment = configured();
    expect(readContexts(environment)).toEqual({ current: undefined, byName: new Map() });
    const byName = new Map([
      ['a', { url: 'ws://a:7700/ws', user: 'u', password: 'p' }],
      ['__proto__', { token: 't', insecure: true }],
    ]);
    // A file of the same name as the temporary one, open to all, must not lend its mode.
    const file = contextsFile(environment);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(`${file}.${process.pid}.tmp`, '', { mode: 0o644 });
    writeContexts(environment, { current: 'a', byName });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readContexts(environment)).toEqual({ current: 'a', byName });
  });

  it('are refused where others may read them, or the file is none', () => {
    const environment = configured();
    writeContexts(environment, { current: undefined, byName: new Map() });
    const file = contextsFile(environment);
    chmodSync(file, 0o640);
    expect(() => readContexts(environment)).toThrow('others may read');
    chmodSync(file, 0o600);
    for (const text of ['', '[]', '{"version":2,"contexts":{}}', '{"version":1,"contexts":{"a":1}}']) {
      writeFileSync(file, text);
      expect(() => readContexts(environment), text).toThrow(/Cannot read/);
    }
    expect(readFileSync(file, 'utf8')).not.toBe('');
  });
});

describe('secrets', () => {
  const interrupted = new AbortController().signal;
  const terminalWith = (stdin: PassThrough & { isTTY?: boolean }) => {
    return { stdin, stdout: new PassThrough(), stderr: new PassThrough(), environment: {}, interrupted };
  };

  it('are the first line of what is piped in', async () => {
    const stdin = new PassThrough();
    stdin.end('pass word\nmore\n');
    expect(await readSecret(terminalWith(stdin), 'Password')).toBe('pass word');
    const empty = new PassThrough();
    empty.end('');
    await expect(readSecret(terminalWith(empty), 'Password')).rejects.toMatchObject({ code: 'usage' });
  });

  it('are asked for on a terminal, twice when new, and never shown', async () => {
    const stdin = Object.assign(new PassThrough(), { isTTY: true });
    const terminal = terminalWith(stdin);
    const asked = readNewSecret(terminal, 'Password');
    stdin.write('secreX\u007ft\r');
    await new Promise((resolve) => setTimeout(resolve, 20));
    stdin.write('secret\r');
    expect(await asked).toBe('secret');
    expect(String(terminal.stderr.read())).toBe('Password: \nPassword again: \n');
    const other = readSecret(terminal, 'Password');
    stdin.write('\u0003');
    await expect(other).rejects.toMatchObject({ code: 'interrupted' });
  });
});
