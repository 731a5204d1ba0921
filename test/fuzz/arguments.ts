import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { RANDOM_FRAMES_PER_SECOND } from './limits.js';

/** What the command line says. */
export interface FuzzOptions {
  readonly frames: number;
  readonly seed: number;
  /** Only this job, again. */
  readonly job: number | undefined;
  readonly engine: 'uws' | 'ws' | undefined;
  readonly shards: number;
  /** Of the AMQP door: only these campaigns; none = all. */
  readonly campaigns: readonly string[];
  /** Of the AMQP door: random frames a second, 0 = as many as can be. */
  readonly rate: number;
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
      campaign: { type: 'string', default: '' },
      rate: { type: 'string', default: String(RANDOM_FRAMES_PER_SECOND) },
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
    campaigns: values.campaign.split(',').filter((name) => name !== ''),
    rate: number('rate', values.rate),
    folder,
  };
}
