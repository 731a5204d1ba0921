/**
 * How values of settings are read, from a program as well as from text. By hand: a validation library costs the control thread 10 MiB, a tenth of
 * what an idle node may take, for twenty settings that are read once.
 */
const MIB = 1024 * 1024;
const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: MIB, g: 1024 * MIB };
const YES: readonly unknown[] = [true, 'true', '1', 'yes', 'on', 'y', 'enabled'];
const NO: readonly unknown[] = [false, 'false', '0', 'no', 'off', 'n', 'disabled'];

/** A value cannot be what its setting needs. The message goes on where "--port is 7" ends. */
export class BadValue extends Error {}

/** Reads a value as given. @throws BadValue */
export type ReadValue<Value> = (given: unknown) => Value;

/** Text of 1 to `maxUnits` UTF-16 units. */
export function text(maxUnits = Number.POSITIVE_INFINITY): ReadValue<string> {
  return (given) => {
    if (typeof given !== 'string' || given === '') throw new BadValue('must be text');
    if (given.length > maxUnits) throw new BadValue(`must have at most ${maxUnits} characters`);
    return given;
  };
}

/** The number that is given as such or in decimal digits; otherwise NaN. */
function numberOf(given: unknown): number {
  if (typeof given === 'number') return given;
  return typeof given === 'string' && /^\s*\d+\s*$/.test(given) ? Number(given) : Number.NaN;
}

function isWholeWithin(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}

/** A whole number. */
export function count(min: number, max: number): ReadValue<number> {
  return (given) => {
    const value = numberOf(given);
    if (!isWholeWithin(value, min, max)) throw new BadValue(`must be a whole number from ${min} to ${max}`);
    return value;
  };
}

/** A TCP port: 0 takes any free one, `off` closes the door. */
export function port(given: unknown): number | 'off' {
  if (given === 'off') return 'off';
  const value = numberOf(given);
  if (!isWholeWithin(value, 0, 65535)) throw new BadValue('must be a port number, at most 65535, or off');
  return value;
}

/** A size in bytes; `16MiB`, `64k` and the like are understood. */
export function size(min: number, max: number): ReadValue<number> {
  return (given) => {
    const value = typeof given === 'string' ? bytesOf(given) : numberOf(given);
    if (isWholeWithin(value, min, max)) return value;
    throw new BadValue(`must be a size from ${min} to ${max} bytes, such as 65536, 64k or 64MiB`);
  };
}

function bytesOf(given: string): number {
  const match = /^(\d+)\s*([kmg]?)(i?b)?$/i.exec(given.trim());
  return match === null ? Number.NaN : Number(match[1]) * UNITS[match[2]!.toLowerCase()]!;
}

/** Yes or no, in the usual words. */
export function flag(given: unknown): boolean {
  const word = typeof given === 'string' ? given.toLowerCase() : given;
  if (YES.includes(word)) return true;
  if (NO.includes(word)) return false;
  throw new BadValue('must be true or false');
}

/** One of a few words. */
export function oneOf<Word extends string>(...words: readonly Word[]): ReadValue<Word> {
  return (given) => {
    const word = words.find((candidate) => candidate === given);
    if (word === undefined) throw new BadValue(`must be one of ${words.join(', ')}`);
    return word;
  };
}

/** A list of words: an array, or text with commas between them. */
export function list(given: unknown): readonly string[] {
  if (typeof given === 'string') return given.split(',');
  if (Array.isArray(given) && given.every((word) => typeof word === 'string')) return given;
  throw new BadValue('must be a list of words');
}
