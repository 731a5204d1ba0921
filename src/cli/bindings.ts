import type { BindingFilter, BindingSettings, Client } from '../client/index.js';

/** All bindings that a filter lets through, page after page. */
export async function allBindings(
  client: Client,
  filter: BindingFilter,
  signal: AbortSignal,
): Promise<BindingSettings[]> {
  const all: BindingSettings[] = [];
  for (;;) {
    const page = await client.listBindings({ ...filter, skip: all.length }, { signal });
    all.push(...page.bindings);
    if (!page.more || page.bindings.length === 0) return all;
  }
}
