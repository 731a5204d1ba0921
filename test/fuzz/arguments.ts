import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';

/** What the command line says. */
export interface FuzzOptions {
  readonly frames: number;
  readonly seed: number;
  /** Only this job, again. */
  readonly job: number | undefined;
  readonly engine: 'uws' | 'ws' | undefined;
  readonly shards: number;
  /** Where the node keeps its files; a new folder that is removed afterwards unless it is given. */
  readonly folder: string | undefined;
}

/** Reads the command line. @throws on what it does not know. */
export function readArguments(): FuzzOptions {
  const { values } = parseArgs({
    options: {
      frames: { type: 'string', default: '1000000' },
      seed: { type: 'string' },
      job: { type: 'string' },
      engine: { type: 'string' },
      shards: { type: 'string', default: '2' },
      folder: { type: 'string' },
    },
  });
  const { engine, folder } = values;
  if (engine !== undefined && engine !== 'uws' && engine !== 'ws')
    throw new Error(`--engine is ${engine}: it must be uws or ws`);
  const number = (name: string, text: string): number => {
    if (!/^\d+$/.test(text)) throw new Error(`--${name} is ${text}: it must be a whole number`);
    return Number(text);
  };
  return {
    frames: number('frames', values.frames),
    seed: values.seed === undefined ? randomInt(2 ** 31) : number('seed', values.seed),
    job: values.job === undefined ? undefined : number('job', values.job),
    engine,
    shards: number('shards', values.shards),
    folder,
  };
}
