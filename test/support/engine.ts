import type { NodeSettings } from '../../dist/node/index.js';

/**
 * The WebSocket engine that whole-node tests run on: that of `DUOLOG_WS_ENGINE`, the variable that nodes themselves obey; without it each node
 * chooses for itself.
 * @throws Error when there is no such engine.
 */
export function engineUnderTest(): 'uws' | 'ws' | undefined {
  const named = process.env['DUOLOG_WS_ENGINE'];
  if (named === undefined || named === '') return undefined;
  if (named === 'uws' || named === 'ws') return named;
  throw new Error(`Cannot test on DUOLOG_WS_ENGINE=${named}: it must be uws or ws`);
}

/** The engine as settings of a node in this process. */
export function engineSettings(): Pick<NodeSettings, 'wsEngine'> {
  const wsEngine = engineUnderTest();
  return wsEngine === undefined ? {} : { wsEngine };
}

/** The engine as words of a command line. */
export function engineFlags(): string[] {
  const engine = engineUnderTest();
  return engine === undefined ? [] : ['--ws-engine', engine];
}
