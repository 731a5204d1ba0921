/** Patterns in scopes: `*` stands for anything, also for nothing; the rest is percent-encoded, so that a pattern can name `/`, `*` and spaces. */

/** A pattern that can be asked. */
export interface Wildcard {
  test(text: string): boolean;
}

/** Reads a pattern; undefined when its percent-encoding is broken. Asking takes linear time. */
export function parseWildcard(pattern: string): Wildcard | undefined {
  let parts: string[];
  try {
    parts = pattern.split('*').map((part) => decodeURIComponent(part.replaceAll('+', ' ')));
  } catch {
    return undefined;
  }
  const [first = '', ...rest] = parts;
  const last = rest.pop();
  if (last === undefined) return { test: (text) => text === first };
  const middle = rest.filter((part) => part !== '');
  return { test: (text) => matches(text, first, middle, last) };
}

function matches(text: string, first: string, middle: readonly string[], last: string): boolean {
  if (!text.startsWith(first) || !text.endsWith(last)) return false;
  let at = first.length;
  const end = text.length - last.length;
  for (const part of middle) {
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return at <= end;
}
