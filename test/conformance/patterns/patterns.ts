import { parseArgs } from 'node:util';
import { brokerName, type RunningBroker } from '../broker/broker.js';
import { startBroker } from '../broker/start.js';
import { LANGUAGES, type Language } from './languages.js';

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/**
 * `conformance patterns`: the example programs, in every language whose tools are there, against a running broker.
 * @returns the exit code: 0 if all that could run have passed.
 */
export async function runPatterns(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      broker: { type: 'string', default: 'duolog' },
      port: { type: 'string' },
      language: { type: 'string' },
      only: { type: 'string', default: '' },
    },
  });
  const chosen = LANGUAGES.filter(
    ({ name }) => values.language === undefined || values.language.split(',').includes(name),
  );
  if (chosen.length === 0) {
    throw new Error(`--language is ${values.language}: there are ${LANGUAGES.map(({ name }) => name).join(', ')}`);
  }
  const runningPort = values.port === undefined ? undefined : Number(values.port);
  const broker = await startBroker(brokerName(values.broker), { runningPort });
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  try {
    for (const language of chosen) await runLanguage(language, broker, new RegExp(values.only), counts);
    for (const complaint of broker.complaints().slice(0, 20)) console.log(`complaint: ${complaint.slice(0, 500)}`);
    console.log(`${counts.passed} programs passed, ${counts.failed} failed, ${counts.skipped} languages skipped`);
    return counts.failed > 0 || broker.complaints().length > 0 ? 1 : 0;
  } finally {
    await broker.stop();
  }
}

async function runLanguage(language: Language, broker: RunningBroker, only: RegExp, counts: Counts): Promise<void> {
  const missing = language.missing(broker);
  if (missing !== undefined) {
    counts.skipped += 1;
    console.log(`${language.name}: skipped, ${missing}`);
    return;
  }
  for (const { name, run } of await language.prepare()) {
    if (!only.test(name)) continue;
    const startMs = performance.now();
    const { code, output } = await run(broker);
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    counts[code === 0 ? 'passed' : 'failed'] += 1;
    const lastLine = output.trim().split('\n').at(-1) ?? '';
    console.log(
      `${language.name} ${name}: ${code === 0 ? 'passed' : `FAILED with ${code}`} in ${seconds} s: ${lastLine}`,
    );
    if (code !== 0) console.log(output.slice(-3000).replaceAll(/^/gm, '    '));
  }
}
