// What is compared: for each distance the number of flights, and the sums of their delays and of their times of departure.

/**
 * Sums of the flights of one distance, in minutes.
 * @typedef {{ flights: number, delay: number, departure: number }} DistanceTotals
 */

/** The farthest that a time in the file may be from a whole minute: the file has hours, as fractions that binary numbers cannot hold. */
const roundingMinutes = 1e-6;

/** Totals of flights, by distance. All of them whole numbers, so that the order of adding makes no difference. */
export class Totals {
  /** @type {Map<number, DistanceTotals>} */
  byDistance = new Map();

  /** @param {import('./dataset.mjs').Flight} flight */
  add({ delay, distance, time }) {
    const departure = Math.round(time * 60);
    if (!Number.isInteger(delay) || Math.abs(departure - time * 60) > roundingMinutes) {
      throw new Error(
        `Cannot add up a flight with a delay of ${delay} minutes at ${time} h: these are no whole minutes`,
      );
    }
    const totals = this.byDistance.get(distance);
    if (totals === undefined) {
      this.byDistance.set(distance, { flights: 1, delay, departure });
      return;
    }
    totals.flights += 1;
    totals.delay += delay;
    totals.departure += departure;
  }

  /** Those of all distances together. @returns {DistanceTotals} */
  get all() {
    const sum = { flights: 0, delay: 0, departure: 0 };
    for (const totals of this.byDistance.values()) {
      sum.flights += totals.flights;
      sum.delay += totals.delay;
      sum.departure += totals.departure;
    }
    return sum;
  }

  /**
   * The distances at which these totals are not the same as `others`, in rising order; empty when all is equal.
   * @param {Totals} others
   */
  differences(others) {
    const distances = new Set([...this.byDistance.keys(), ...others.byDistance.keys()]);
    const differ = [...distances].filter((distance) => {
      const left = this.byDistance.get(distance);
      const right = others.byDistance.get(distance);
      if (left === undefined || right === undefined) return true;
      return left.flights !== right.flights || left.delay !== right.delay || left.departure !== right.departure;
    });
    return differ.sort((left, right) => left - right);
  }
}

/** @param {Iterable<import('./dataset.mjs').Flight>} flights */
export function totalsOf(flights) {
  const totals = new Totals();
  for (const flight of flights) totals.add(flight);
  return totals;
}
