/** Objects of the management API as tables and JSON. */
import type { ApiSession, Item } from './node-api.js';
import type { CellColumn } from './output.js';
import { formatCount } from './quantities.js';

/** A column that shows one field of an object; `a.b` is a field within a field. */
export function fieldColumn(
  heading: string,
  field: string,
  more: Omit<CellColumn<Item>, 'heading' | 'cell'> = {},
): CellColumn<Item> {
  return { heading, ...more, cell: (item) => cellText(fieldOf(item, field)) };
}

function fieldOf(item: Item, field: string): unknown {
  let value: unknown = item;
  for (const name of field.split('.')) value = (value as Item | undefined)?.[name];
  return value;
}

function cellText(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return formatCount(value);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (Array.isArray(value)) return value.map(cellText).join(', ');
  return Object.entries(value)
    .map(([name, field]) => `${name}=${typeof field === 'object' ? JSON.stringify(field) : String(field)}`)
    .join(', ');
}

/** Prints a list of the API: a table for people, its objects as they are for programs. */
export async function printItems(
  { api, output }: ApiSession<unknown>,
  where: string,
  columns: readonly CellColumn<Item>[],
  empty: string,
): Promise<void> {
  await output.list(await api.list(where), columns, (item) => item, empty);
}
