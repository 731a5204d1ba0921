/** What names a transaction: its producer id, and the epoch that this transaction alone has. */
export interface TransactionKey {
  readonly producerId: number;
  readonly epoch: number;
}

/** The key as text, for maps. */
export function keyText({ producerId, epoch }: TransactionKey): string {
  return `${producerId}/${epoch}`;
}
