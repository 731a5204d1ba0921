/** Prints names and numbers in two columns. */
export function printTable(rows: readonly (readonly [name: string, value: number | string])[]): void {
  const width = Math.max(...rows.map(([name]) => name.length));
  const texts = rows.map(([name, value]) => [name, value.toLocaleString('en')] as const);
  const valueWidth = Math.max(...texts.map(([, text]) => text.length));
  for (const [name, text] of texts) process.stdout.write(`${name.padEnd(width)}  ${text.padStart(valueWidth)}\n`);
}
