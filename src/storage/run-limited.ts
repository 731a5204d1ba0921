/** Runs tasks, at most `limit` at the same time. Rejects with the first rejection, when all have ended. */
export async function runLimited(tasks: readonly (() => Promise<void>)[], limit: number): Promise<void> {
  if (tasks.length === 1) return tasks[0]!();
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < tasks.length) await tasks[next++]!();
  };
  const workers = Array.from({ length: Math.min(limit, tasks.length) }, worker);
  const results = await Promise.allSettled(workers);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
