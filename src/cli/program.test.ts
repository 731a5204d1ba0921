import { execFileSync } from 'node:child_process';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { flagName, SETTING_NAMES } from '../node/config.js';
import { everyCommand } from './command-line.js';
import { complete } from './complete.js';
import { COMPLETION_SCRIPTS } from './completion-scripts.js';
import { SETTING_FLAGS, settingFlagName } from './node-settings.js';
import { createProgram } from './program.js';
import { run } from './run.js';
import type { Terminal } from './terminal.js';

function testTerminal(): Terminal & { readonly stdout: PassThrough; readonly stderr: PassThrough } {
  const streams = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() };
  return { ...streams, environment: {}, interrupted: new AbortController().signal };
}

/** All that was written: from Node 25 on, `read` hands out one write at a time. */
function textOf(stream: PassThrough): string {
  const chunks: unknown[] = [];
  for (let chunk: unknown = stream.read(); chunk !== null; chunk = stream.read()) chunks.push(chunk);
  return chunks.join('');
}

const program = createProgram(testTerminal(), '1.2.3');
const words = (...before: string[]) => complete(program, before).candidates.map(({ word }) => word);

const COMMANDS = [
  'duolog',
  'start',
  'topic',
  'topic create',
  'topic list',
  'topic describe',
  'topic delete',
  'topic consume',
  'topic produce',
  'topic tail',
  'queue',
  'queue declare',
  'queue list',
  'queue describe',
  'queue consume',
  'queue peek',
  'queue get',
  'queue unacked',
  'queue move',
  'queue redrive',
  'queue purge',
  'queue delete',
  'exchange',
  'exchange declare',
  'exchange list',
  'exchange describe',
  'exchange delete',
  'exchange publish',
  'binding',
  'binding add',
  'binding list',
  'binding remove',
  'route',
  'route test',
  'delayed',
  'delayed count',
  'delayed cancel',
  'publish',
  'status',
  'vhost',
  'vhost list',
  'vhost add',
  'vhost delete',
  'user',
  'user list',
  'user add',
  'user password',
  'user tags',
  'user delete',
  'permission',
  'permission list',
  'permission set',
  'permission delete',
  'topic-permission',
  'topic-permission list',
  'topic-permission set',
  'topic-permission delete',
  'policy',
  'policy list',
  'policy set',
  'policy delete',
  'operator-policy',
  'operator-policy list',
  'operator-policy set',
  'operator-policy delete',
  'limit',
  'limit list',
  'limit set',
  'limit delete',
  'connection',
  'connection list',
  'connection close',
  'definitions',
  'definitions export',
  'definitions import',
  'backup',
  'restore',
  'context',
  'context add',
  'context use',
  'context list',
  'context remove',
  'bench',
  'completion',
  'completion bash',
  'completion zsh',
  'completion fish',
];

describe('the commands', () => {
  it('are those that are documented, each with a description', () => {
    const names = everyCommand(program)
      .filter((command) => !command.name().startsWith('__'))
      .map(
        (command) =>
          (command.parent === null || command.parent === program ? '' : `${command.parent.name()} `) + command.name(),
      );
    expect(names).toEqual(COMMANDS);
    for (const command of everyCommand(program)) {
      if (!command.name().startsWith('__')) expect(command.description(), command.name()).not.toBe('');
    }
  });

  it('start takes every setting of the node as a flag', () => {
    expect(SETTING_FLAGS.map(({ setting }) => setting).sort()).toEqual([...SETTING_NAMES].sort());
    for (const name of SETTING_NAMES) expect(settingFlagName(name)).toBe(flagName(name));
  });

  it('use no letter of a short option for two things', () => {
    for (const command of everyCommand(program)) {
      const shorts = [...command.options, ...(command === program ? [] : program.options)].flatMap(
        ({ short }) => short ?? [],
      );
      expect(new Set(shorts).size, command.name()).toBe(shorts.length);
    }
  });

  it('explain themselves on stdout, and complain on stderr', async () => {
    const terminal = testTerminal();
    await expect(run(['topic', 'create', '--help'], terminal, '1')).rejects.toMatchObject({ exitCode: 0 });
    expect(textOf(terminal.stdout)).toContain('--retention <duration>');
    await expect(run(['topic', 'create', 'x', '--retention', '7'], terminal, '1')).rejects.toMatchObject({
      exitCode: 1,
    });
    expect(textOf(terminal.stderr)).toMatch(
      /^error: option '--retention <duration>' argument '7' is invalid.*unit.*\nTry: duolog topic create --help\n$/s,
    );
  });
});

describe('completion', () => {
  it('offers commands, then options, then values', () => {
    expect(words('to')).toEqual(['topic', 'topic-permission']);
    expect(words('topic', '')).toContain('consume');
    expect(words('topic', '')).not.toContain('__complete');
    expect(words('topic', 'create', 'x', '--ret')).toEqual(['--retention', '--retention-size']);
    expect(words('topic', 'list', '--out')).toEqual(['--output']);
    expect(words('topic', 'list', '--output', '')).toEqual(['table', 'json', 'ndjson']);
    expect(words('-o', 'json', 'topic', 'create', 'x', '-d', 'm')).toEqual(['memory']);
    expect(words('start', '--ws-engine', '')).toEqual(['uws', 'ws']);
    expect(words('completion', '')).toEqual(['bash', 'zsh', 'fish']);
  });

  it('knows where names of the node and where files belong', () => {
    expect(complete(program, ['topic', 'delete', 'a', 'b'])).toMatchObject({ names: 'topics' });
    expect(complete(program, ['queue', 'consume', '-f', ''])).toMatchObject({ names: 'queues' });
    expect(complete(program, ['publish', ''])).toMatchObject({ names: 'all' });
    expect(complete(program, ['topic', 'consume', '--group', 'g', ''])).toMatchObject({ names: 'topics' });
    expect(complete(program, ['topic', 'consume', '--', ''])).toMatchObject({ names: 'topics' });
    expect(complete(program, ['topic', 'produce', 't', ''])).toMatchObject({ files: true });
    expect(complete(program, ['start', '--config', ''])).toMatchObject({ files: true });
    expect(complete(program, ['topic', 'create', ''])).toEqual({ candidates: [] });
  });

  it('has scripts that their shells accept, bash at least', () => {
    expect(execFileSync('bash', ['-n'], { input: COMPLETION_SCRIPTS.bash, encoding: 'utf8' })).toBe('');
    for (const script of Object.values(COMPLETION_SCRIPTS)) expect(script).toContain('__complete --');
  });

  it('works in bash, words with descriptions and files included', () => {
    const driver = `
      duolog() { printf 'topic\\tabout topics\\ntail\\t\\n:files\\n'; }
      ${COMPLETION_SCRIPTS.bash}
      cd "$(mktemp -d)" && touch 'to read.txt'
      COMP_WORDS=(duolog to); COMP_CWORD=1; _duolog; printf '%s|' "\${COMPREPLY[@]}"`;
    expect(execFileSync('bash', ['-c', driver], { encoding: 'utf8' })).toBe('topic|tail|to read.txt|');
  });
});
