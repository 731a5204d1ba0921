import type { Comparer, Verdict } from './compare.js';
import { SHRINK_TRIES } from './limits.js';
import type { Sequence, Step } from './operations.js';

type Difference = Extract<Verdict, { kind: 'different' }>;

/** Makes a differing sequence shorter and plainer as long as both brokers still differ. */
export async function shrink(
  comparer: Pick<Comparer, 'compare'>,
  sequence: Sequence,
  first: Difference,
): Promise<{ sequence: Sequence; difference: Difference }> {
  let best = { sequence: { ...sequence, steps: sequence.steps.slice(0, first.step + 1) }, difference: first };
  let tries = 0;
  const attempt = async (steps: readonly Step[]): Promise<boolean> => {
    if (tries >= SHRINK_TRIES) return false;
    tries += 1;
    const candidate = { ...sequence, steps };
    const verdict = await comparer.compare(candidate);
    // The very same kind of difference must stay, or shrinking slides from one finding to another.
    if (verdict.kind !== 'different' || kindOf(verdict) !== kindOf(first)) return false;
    best = { sequence: { ...candidate, steps: steps.slice(0, verdict.step + 1) }, difference: verdict };
    return true;
  };
  for (let size = Math.max(1, best.sequence.steps.length >> 1); size >= 1; size >>= 1) {
    for (let start = best.sequence.steps.length - size; start >= 0; start -= size) {
      const { steps } = best.sequence;
      if (start + size <= steps.length) await attempt([...steps.slice(0, start), ...steps.slice(start + size)]);
    }
  }
  for (let index = 0; index < best.sequence.steps.length; index += 1) {
    // What made a step plainer is kept, and the plainer step tried further.
    while (
      await someOf(plainerSteps(best.sequence.steps[index]!), (plainer) =>
        attempt(best.sequence.steps.with(index, plainer)),
      )
    ) {}
  }
  return best;
}

/** Tries one after another until one succeeds. */
async function someOf<Item>(items: readonly Item[], attempt: (item: Item) => Promise<boolean>): Promise<boolean> {
  for (const item of items) if (await attempt(item)) return true;
  return false;
}

/** A word for the kind of difference: the first lines that differ, without their numbers. */
export function kindOf({ expected, found }: Difference): string {
  const left = expected.split('\n');
  const right = found.split('\n');
  const index = left.findIndex((line, at) => line !== right[at]);
  const word = (line: string | undefined) => (line ?? '(nothing)').replace(/\{.*/s, '').replaceAll(/\d+/g, 'N');
  return index === -1 ? `more: ${word(right[left.length])}` : `${word(left[index])} | ${word(right[index])}`;
}

function plainerSteps(step: Step): Step[] {
  const plainer: Step[] = [];
  const { properties, fields, ...rest } = step;
  if (properties !== undefined && Object.keys(properties).length > 0)
    plainer.push({ ...rest, ...(fields && { fields }), properties: {} });
  for (const name of Object.keys(properties ?? {})) {
    const fewer = Object.fromEntries(Object.entries(properties ?? {}).filter(([other]) => other !== name));
    plainer.push({ ...step, properties: fewer });
  }
  const table = fields?.['arguments'];
  if (typeof table === 'object') {
    for (const name of Object.keys(table)) {
      const fewer = Object.fromEntries(Object.entries(table).filter(([other]) => other !== name));
      plainer.push({ ...step, fields: { ...fields, arguments: fewer } });
    }
  }
  for (const [name, value] of Object.entries(fields ?? {})) {
    if (value === true) plainer.push({ ...step, fields: { ...fields, [name]: false } });
  }
  if (step.channel !== 0) plainer.push({ ...step, channel: 0 });
  return plainer;
}
