import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { afterAll, describe, expect, it } from 'vitest';
import { inThread, type ThreadEntry, type ThreadRun, type Threads, workerThreads } from './threads.js';

interface Setup {
  readonly counter: SharedArrayBuffer;
  readonly side: MessagePort;
  readonly plain: { value: number };
}

// Its source also becomes the worker's module, so it must not refer to anything outside itself.
const run: ThreadRun<Setup, string, string> = (setup, port) => {
  const words = new Int32Array(setup.counter);
  Atomics.add(words, 0, 1);
  setup.plain.value = 99;
  setup.side.postMessage('over the side port');
  port.onMessage((message) => {
    if (message === 'throw') throw new Error('as told');
    if (message === 'end') {
      setup.side.close();
      port.close();
      return;
    }
    port.postMessage(`heard ${message}`);
  });
};

const directory = mkdtempSync(join(tmpdir(), 'threads-test-'));
afterAll(() => rmSync(directory, { recursive: true }));

function entry(): ThreadEntry<Setup, string, string> {
  const module = join(directory, 'entry.mjs');
  const threads = new URL('../../dist/io/threads.js', import.meta.url).href;
  writeFileSync(
    module,
    `import { serveThread } from ${JSON.stringify(threads)};\nserveThread(import.meta.url, ${run.toString()});\n`,
  );
  return { url: pathToFileURL(module), run };
}

describe.each([
  ['workers', workerThreads],
  ['the in-thread twin', inThread],
] as [string, Threads][])('threads as %s', (_, threads) => {
  function spawn() {
    const counter = new SharedArrayBuffer(4);
    const plain = { value: 1 };
    const { port1, port2 } = new MessageChannel();
    const setup = { counter, side: port2, plain };
    const thread = threads.spawn(entry(), { name: 'test', setup, transfer: [port2] });
    const exited = new Promise<number>((resolve) => thread.onExit(resolve));
    const messages: string[] = [];
    const firstMessage = new Promise<void>((resolve) => {
      thread.onMessage((message) => {
        messages.push(message);
        resolve();
      });
    });
    const side = new Promise((resolve) => port1.once('message', resolve));
    return { thread, exited, messages, firstMessage, side, port1, plain, words: new Int32Array(counter) };
  }

  it('give shared memory and ports to the program, and copies of the rest', async () => {
    const { thread, exited, messages, firstMessage, side, port1, plain, words } = spawn();
    thread.postMessage('hello');
    expect(await side).toBe('over the side port');
    await firstMessage;
    expect([messages, words[0], plain.value]).toEqual([['heard hello'], 1, 1]);
    thread.postMessage('end');
    expect(await exited).toBe(0);
    port1.close();
  });

  it('report the failure of the program, and its end', async () => {
    const { thread, exited, port1 } = spawn();
    const failed = new Promise<Error>((resolve) => thread.onError(resolve));
    thread.postMessage('throw');
    expect((await failed).message).toBe('as told');
    expect(await exited).toBe(1);
    port1.close();
  });

  it('can be ended from outside', async () => {
    const { thread, exited, side, port1 } = spawn();
    await side;
    expect(await thread.terminate()).toBe(1);
    expect(await exited).toBe(1);
    port1.close();
  });
});
