/** The last part of a binding's path: its routing key and, if it has arguments, a hash of them (rabbit_mgmt_format.erl: pack_binding_props). */
import { createHash } from 'node:crypto';
import type { Binding } from '../../broker/model.js';

/** The key of a binding; clients take it as it is, and encode it once more for the path. */
export function propertiesKey(binding: Pick<Binding, 'routingKey' | 'arguments'>): string {
  const { routingKey } = binding;
  if (binding.arguments.length === 0) return routingKey === '' ? '~' : quoted(routingKey);
  return `${quoted(routingKey)}~${hashOf(binding.arguments)}`;
}

/** The one of several bindings that a key names. */
export function bindingOf(bindings: Iterable<Binding>, key: string): Binding | undefined {
  for (const binding of bindings) {
    if (propertiesKey(binding) === key || isSame(binding, key)) return binding;
  }
  return undefined;
}

/** Clients that make keys by themselves do not all quote them. */
function isSame(binding: Binding, key: string): boolean {
  return binding.arguments.length === 0 && binding.routingKey !== '' && binding.routingKey === key;
}

function quoted(text: string): string {
  return encodeURIComponent(text)
    .replaceAll('%20', '+')
    .replace(/[!'()*~]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

function hashOf(table: Uint8Array): string {
  return createHash('sha256').update(table).digest('base64url').slice(0, 22);
}
