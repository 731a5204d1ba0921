import { decodeTable, type FieldTable, textOf } from '../../record/amqp/field-table.js';
import { BrokerError } from '../errors.js';
import type { BindingTable, HeaderSource } from './binding-types.js';
import type { BindingVisitor, BoundBinding } from './bound-binding.js';
import { comparableValue, type HeaderValues } from './header-values.js';

/** One argument of a binding: the value that a header must have; undefined = any, the header must only be there. */
type Condition = readonly [name: string, value: string | undefined];

/** What a headers binding asks of a message. */
export interface HeadersPattern {
  /** One condition is enough. */
  readonly any: boolean;
  readonly conditions: readonly Condition[];
}

const MODES: ReadonlySet<string> = new Set(['all', 'any', 'all-with-x', 'any-with-x']);

/**
 * Checks the `x-match` argument of a binding to a headers exchange, in RabbitMQ's words.
 * @throws BrokerError `precondition-failed`.
 */
export function checkHeadersBinding(bindingArguments: Uint8Array): void {
  const mode = decodeTable(bindingArguments).get('x-match');
  if (mode === undefined) return;
  const text = textOf(mode);
  const expected = 'expected all, any, all-with-x, or any-with-x';
  if (text === undefined) {
    throw new BrokerError('precondition-failed', `Invalid x-match field type ${mode.type}; expected longstr`);
  }
  if (!MODES.has(text)) {
    throw new BrokerError('precondition-failed', `Invalid x-match field value ${text}; ${expected}`);
  }
}

/** The pattern in a binding's arguments. Arguments that begin with `x-` count only in the `-with-x` modes, and `x-match` never. */
export function headersPattern(table: FieldTable): HeadersPattern {
  const mode = textOf(table.get('x-match'));
  const withX = mode === 'any-with-x' || mode === 'all-with-x';
  const conditions: Condition[] = [];
  for (const [name, value] of table) {
    if (withX ? name === 'x-match' : name.startsWith('x-')) continue;
    conditions.push([name, value.type === 'void' ? undefined : comparableValue(value)]);
  }
  return { any: mode === 'any' || mode === 'any-with-x', conditions };
}

/** Whether a message with these headers matches. Without conditions, `all` matches everything and `any` nothing. */
export function matchesHeaders(pattern: HeadersPattern, headers: HeaderValues): boolean {
  for (const [name, wanted] of pattern.conditions) {
    const value = headers.get(name);
    const met = value !== undefined && (wanted === undefined || wanted === value);
    if (met === pattern.any) return met;
  }
  return !pattern.any;
}

/** Type headers, AMQP 0-9-1 §3.1.3.4, with RabbitMQ's modes: every binding is looked at. */
export class HeadersTable implements BindingTable {
  private readonly patterns = new Map<BoundBinding, HeadersPattern>();

  add(bound: BoundBinding): void {
    this.patterns.set(bound, headersPattern(decodeTable(bound.binding.arguments)));
  }

  remove(bound: BoundBinding): void {
    this.patterns.delete(bound);
  }

  match(_routingKey: string, headers: HeaderSource, visitor: BindingVisitor): void {
    const values = headers.values();
    for (const [bound, pattern] of this.patterns) if (matchesHeaders(pattern, values)) visitor.matched(bound);
  }
}
