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

interface Entry {
  readonly bound: BoundBinding;
  readonly pattern: HeadersPattern;
  /** The last match that came here: a pattern may be found by several headers. */
  match: number;
}

/** The bindings that one header of a message can make match. */
interface Candidates {
  readonly byValue: Map<string, Set<Entry>>;
  /** The header need only be there. */
  readonly byName: Set<Entry>;
}

/**
 * Type headers, AMQP 0-9-1 §3.1.3.4, with RabbitMQ's modes. Bindings are found by the headers that they need: those of mode `any` under each of their
 * conditions, the others under one, with a value if there is one. So a message costs what its headers may match, not what bindings there are.
 */
export class HeadersTable implements BindingTable {
  private readonly entries = new Map<BoundBinding, Entry>();
  private readonly byHeader = new Map<string, Candidates>();
  /** What matches every message: all of no conditions. */
  private readonly unconditional = new Set<Entry>();
  private matches = 0;

  add(bound: BoundBinding): void {
    const entry: Entry = { bound, pattern: headersPattern(decodeTable(bound.binding.arguments)), match: 0 };
    this.entries.set(bound, entry);
    for (const condition of leading(entry.pattern)) this.enter(condition, entry);
    if (isUnconditional(entry.pattern)) this.unconditional.add(entry);
  }

  remove(bound: BoundBinding): void {
    const entry = this.entries.get(bound);
    if (entry === undefined) return;
    this.entries.delete(bound);
    this.unconditional.delete(entry);
    for (const condition of leading(entry.pattern)) this.leave(condition, entry);
  }

  match(_routingKey: string, headers: HeaderSource, visitor: BindingVisitor): void {
    const values = headers.values();
    this.matches++;
    for (const { bound } of this.unconditional) visitor.matched(bound);
    for (const [name, value] of values) {
      const candidates = this.byHeader.get(name);
      if (candidates === undefined) continue;
      this.matchSome(candidates.byName, values, visitor);
      const withValue = candidates.byValue.get(value);
      if (withValue !== undefined) this.matchSome(withValue, values, visitor);
    }
  }

  private matchSome(entries: ReadonlySet<Entry>, values: HeaderValues, visitor: BindingVisitor): void {
    for (const entry of entries) {
      if (entry.match === this.matches) continue;
      entry.match = this.matches;
      if (matchesHeaders(entry.pattern, values)) visitor.matched(entry.bound);
    }
  }

  private enter([name, value]: Condition, entry: Entry): void {
    let candidates = this.byHeader.get(name);
    if (candidates === undefined) {
      candidates = { byValue: new Map(), byName: new Set() };
      this.byHeader.set(name, candidates);
    }
    if (value === undefined) candidates.byName.add(entry);
    else {
      const known = candidates.byValue.get(value);
      if (known === undefined) candidates.byValue.set(value, new Set([entry]));
      else known.add(entry);
    }
  }

  private leave([name, value]: Condition, entry: Entry): void {
    const candidates = this.byHeader.get(name);
    if (candidates === undefined) return;
    if (value === undefined) candidates.byName.delete(entry);
    else {
      const known = candidates.byValue.get(value);
      known?.delete(entry);
      if (known?.size === 0) candidates.byValue.delete(value);
    }
    if (candidates.byName.size === 0 && candidates.byValue.size === 0) this.byHeader.delete(name);
  }
}

function isUnconditional({ any, conditions }: HeadersPattern): boolean {
  return !any && conditions.length === 0;
}

/** The conditions of which one must be met in every message that matches. */
function leading({ any, conditions }: HeadersPattern): readonly Condition[] {
  if (any) return conditions;
  const first = conditions.find(([, value]) => value !== undefined) ?? conditions[0];
  return first === undefined ? [] : [first];
}
