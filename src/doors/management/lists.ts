/**
 * Lists as RabbitMQ's API gives them: sorted, filtered by name, cut into pages, reduced to columns (rabbit_mgmt_util.erl). Rows are made into items
 * only as far as the answer needs them: of a page that is sorted by cheap columns, no more than the page.
 */
import { PatternError, pattern } from '../../broker/access/pattern.js';
import { ManagementError } from './errors.js';
import type { Json, JsonObject } from './json.js';
import * as limits from './limits.js';

/** What a request says about the list that it wants. Plain: it travels between threads. */
export interface ListParameters {
  /** Dotted columns, each as its parts; undefined = the list's own order. Empty = as it comes. */
  readonly sort: readonly (readonly string[])[] | undefined;
  readonly reverse: boolean;
  /** Undefined = all. */
  readonly columns: readonly (readonly string[])[] | undefined;
  readonly page: PageParameters | undefined;
}

/** One page, and which names count. */
export interface PageParameters {
  readonly page: number;
  readonly pageSize: number;
  readonly name: string;
  readonly isPattern: boolean;
}

/** How rows become items. */
export interface ListShape<Row> {
  /** The order when none is asked for. */
  readonly order: readonly string[];
  /** What `name=` looks at; absent = the item's `name`. */
  readonly name?: (row: Row) => string;
  /** Cheap columns, and what makes them; absent = all are. */
  readonly basic?: { readonly columns: ReadonlySet<string>; readonly item: (row: Row) => JsonObject };
  readonly item: (row: Row) => JsonObject;
}

/** Nothing said: the whole list in its own order. */
export const WHOLE_LIST: ListParameters = { sort: undefined, reverse: false, columns: undefined, page: undefined };

/** Reads `page`, `page_size`, `name`, `use_regex`, `sort`, `sort_reverse` and `columns`. @throws ManagementError */
export function listParameters(query: URLSearchParams): ListParameters {
  const sort = query.get('sort');
  const columns = query.get('columns');
  return {
    sort: sort === null || sort === '' ? undefined : [dotted(sort)],
    reverse: query.get('sort_reverse') === 'true',
    columns: columns === null ? undefined : columnList(columns),
    page: pageParameters(query),
  };
}

function columnList(text: string): string[][] {
  const columns = text.split(',').filter((column) => column !== '');
  if (columns.length > limits.COLUMNS_MAX) {
    throw new ManagementError('bad-request', `More than ${limits.COLUMNS_MAX} columns were asked for`);
  }
  return columns.map(dotted);
}

function dotted(column: string): string[] {
  return column.split('.').filter((part) => part !== '');
}

function pageParameters(query: URLSearchParams): PageParameters | undefined {
  const page = whole(query.get('page'));
  const pageSize = whole(query.get('page_size')) ?? limits.PAGE_SIZE_DEFAULT;
  if (page === undefined) return undefined;
  if (page < 1 || pageSize < 1 || pageSize > limits.PAGE_SIZE_MAX) {
    const text = `Invalid pagination parameters: page number ${page}, page size ${pageSize}`;
    throw new ManagementError('invalid-pagination', text);
  }
  const name = query.get('name') ?? '';
  if (name.length > limits.PATTERN_MAX_CHARACTERS) {
    throw new ManagementError('bad-request', `name is longer than ${limits.PATTERN_MAX_CHARACTERS} characters`);
  }
  return { page, pageSize, name, isPattern: query.get('use_regex') === 'true' };
}

function whole(text: string | null): number | undefined {
  if (text === null) return undefined;
  if (/^[+-]?\d{1,9}$/.test(text)) return Number(text);
  throw new ManagementError('bad-request', 'Pagination parameters are invalid');
}

/** The answer's text. Other work of the thread goes on meanwhile. @throws ManagementError */
export async function listText<Row>(
  rows: readonly Row[],
  shape: ListShape<Row>,
  parameters: ListParameters,
): Promise<string> {
  const { page, columns } = parameters;
  const sorted = await sortedRows(rows, shape, parameters);
  if (page === undefined) return itemsText(sorted, shape, columns);
  const wanted = page.name === '' ? sorted : filtered(sorted, shape, page);
  const from = (page.page - 1) * page.pageSize;
  if (from > wanted.length) {
    const text = `Page out of range, page: ${page.page} page size: ${page.pageSize}, len: ${wanted.length}`;
    throw new ManagementError('page-out-of-range', text);
  }
  const shown = wanted.slice(from, from + page.pageSize);
  const counts = {
    filtered_count: wanted.length,
    item_count: shown.length,
    page: page.page,
    page_count: Math.ceil(wanted.length / page.pageSize),
    page_size: page.pageSize,
    total_count: rows.length,
  };
  return `${JSON.stringify(counts).slice(0, -1)},"items":${await itemsText(shown, shape, columns)}}`;
}

function filtered<Row>(rows: readonly Row[], shape: ListShape<Row>, page: PageParameters): readonly Row[] {
  const nameOf = shape.name ?? ((row: Row) => String((shape.basic?.item ?? shape.item)(row)['name'] ?? ''));
  const matches = matching(rows.map(nameOf), page);
  return rows.filter((_, index) => matches[index]);
}

/** Whether each name counts; patterns run in linear time. @throws ManagementError for a pattern that is none */
function matching(names: readonly string[], { name, isPattern }: PageParameters): readonly boolean[] {
  if (!isPattern) {
    const part = name.toLowerCase();
    return names.map((text) => text.toLowerCase().includes(part));
  }
  try {
    const wanted = pattern(`(?i)${name}`);
    return names.map((text) => wanted.test(text));
  } catch (thrown) {
    if (thrown instanceof PatternError) throw new ManagementError('bad-request', thrown.message, thrown);
    throw thrown;
  }
}

async function sortedRows<Row>(
  rows: readonly Row[],
  shape: ListShape<Row>,
  { sort, reverse }: ListParameters,
): Promise<readonly Row[]> {
  const order = shape.order.map(dotted);
  const keys = sort === undefined ? order : [...sort, ...order];
  const isCheap = keys.every(([column]) => shape.basic?.columns.has(column ?? ''));
  const make = isCheap && shape.basic !== undefined ? shape.basic.item : shape.item;
  const keyed: { readonly row: Row; readonly key: readonly Json[] }[] = [];
  for (const [index, row] of rows.entries()) {
    if (index % limits.ITEMS_PER_TURN === limits.ITEMS_PER_TURN - 1) await anotherTurn();
    const item = make(row);
    keyed.push({ row, key: keys.map((path) => valueAt(item, path)) });
  }
  if (keys.length > 0) keyed.sort((left, right) => compareKeys(left.key, right.key));
  if (reverse) keyed.reverse();
  return keyed.map(({ row }) => row);
}

/** Nothing is a number: 0, as in RabbitMQ. */
function valueAt(item: JsonObject, path: readonly string[]): Json {
  let value: Json | undefined = item;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return 0;
    value = Object.hasOwn(value, part) ? (value as JsonObject)[part] : undefined;
  }
  return value ?? 0;
}

function compareKeys(left: readonly Json[], right: readonly Json[]): number {
  for (const [index, value] of left.entries()) {
    const order = compareValues(value, right[index] ?? 0);
    if (order !== 0) return order;
  }
  return 0;
}

/** Numbers before truth values, those before the rest, which is compared as text. */
function compareValues(left: Json, right: Json): number {
  if (typeof left === 'number' && typeof right === 'number') return left - right;
  const ranks = rank(left) - rank(right);
  if (ranks !== 0) return ranks;
  const [a, b] = [textOf(left), textOf(right)];
  return a < b ? -1 : a > b ? 1 : 0;
}

function rank(value: Json): number {
  if (typeof value === 'number') return 0;
  return typeof value === 'boolean' ? 1 : 2;
}

function textOf(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

async function itemsText<Row>(
  rows: readonly Row[],
  shape: ListShape<Row>,
  columns: ListParameters['columns'],
): Promise<string> {
  const texts: string[] = [];
  let characters = 0;
  // Where only cheap columns are wanted, nothing else is made.
  const { basic } = shape;
  const isCheap = columns?.every(([column]) => basic?.columns.has(column ?? '')) === true;
  const make = isCheap && basic !== undefined ? basic.item : shape.item;
  for (const [index, row] of rows.entries()) {
    if (index % limits.ITEMS_PER_TURN === limits.ITEMS_PER_TURN - 1) await anotherTurn();
    const text = JSON.stringify(columns === undefined ? make(row) : pick(make(row), columns));
    characters += text.length + 1;
    if (characters > limits.ANSWER_MAX_CHARACTERS) {
      throw new ManagementError(
        'too-large',
        `The list of ${rows.length} items is too long: ask for pages, or for columns`,
      );
    }
    texts.push(text);
  }
  return `[${texts.join(',')}]`;
}

/** The columns of an item, in its own order. */
export function pick(item: JsonObject, columns: readonly (readonly string[])[]): JsonObject {
  const picked: [string, Json][] = [];
  for (const [name, value] of Object.entries(item)) {
    const wanted = columns.filter(([first]) => first === name);
    if (wanted.length === 0) continue;
    const isWhole = wanted.some((path) => path.length === 1) || !isObject(value);
    picked.push([
      name,
      isWhole
        ? value
        : pick(
            value,
            wanted.map((path) => path.slice(1)),
          ),
    ]);
  }
  return Object.fromEntries(picked);
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function anotherTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
