/** The name that somebody has probably meant. */

/** A name may differ from what was written by this part of its length. */
const MOST_DIFFERENCE = 0.4;

/** The one of `names` that is most like `written`, or undefined when none is like it. For people's errors: short words, few names. */
export function closestName(written: string, names: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const name of names) {
    const distance = editDistance(written.toLowerCase(), name.toLowerCase());
    if (distance >= least || distance > Math.max(written.length, name.length) * MOST_DIFFERENCE) continue;
    best = name;
    least = distance;
  }
  return best;
}

/** How many letters must be added, left out, changed, or change places with their neighbour. */
function editDistance(left: string, right: string): number {
  let above: number[] = [];
  let row = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let at = 1; at <= left.length; at++) {
    const before = above;
    above = row;
    row = [at];
    for (let index = 1; index <= right.length; index++) {
      const change = above[index - 1]! + (left[at - 1] === right[index - 1] ? 0 : 1);
      const isSwapped = left[at - 1] === right[index - 2] && left[at - 2] === right[index - 1];
      const swap = isSwapped ? before[index - 2]! + 1 : Number.POSITIVE_INFINITY;
      row.push(Math.min(change, swap, above[index]! + 1, row[index - 1]! + 1));
    }
  }
  return row[right.length]!;
}
