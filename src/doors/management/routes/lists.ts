/** What operations on lists share: lists from the control thread, and lists of this shard's own copy of the metadata. */
import { type Answer, type Call, type Endpoint, endpoint, json, type Need } from '../endpoint.js';
import { ManagementError, notFound } from '../errors.js';
import type { JsonObject } from '../json.js';
import { type ListShape, listParameters, listText, pick } from '../lists.js';
import type { ListName, Scope, StatisticsAnswer, StatisticsQuestion } from '../statistics.js';

/** @throws ManagementError for a virtual host in the path that does not exist. */
export function requireVhost(call: Call): string {
  const vhost = call.param('vhost');
  if (!call.ports.broker.hasVhost(vhost) || !isVisible(call, vhost)) notFound('vhost_not_found');
  return vhost;
}

function isVisible(call: Call, vhost: string): boolean {
  for (const name of call.ports.vhosts()) if (name === vhost) return true;
  return false;
}

/** A virtual host that a list is asked for, in the path or the header, must exist. */
export function checkListVhost({ vhost, ports }: Call): void {
  if (vhost !== undefined && !ports.broker.hasVhost(vhost)) notFound();
}

/** Asks the control thread. @throws ManagementError for what it refuses. */
export async function ask(call: Call, question: StatisticsQuestion): Promise<StatisticsAnswer> {
  const answer = await call.ports.ask(question);
  if (answer.kind === 'refused') throw new ManagementError(answer.code, answer.reason);
  return answer;
}

/** One thing that the control thread knows. @throws ManagementError `not-found` */
export async function askItem(call: Call, question: StatisticsQuestion): Promise<JsonObject> {
  const answer = await ask(call, question);
  if (answer.kind !== 'item' || answer.item === undefined) return notFound();
  return answer.item;
}

/** One item, reduced to the columns asked for. */
export function itemAnswer({ query }: Call, item: JsonObject): Answer {
  const { columns } = listParameters(query);
  return json(columns === undefined ? item : pick(item, columns));
}

/** A list that needs figures of all shards, as the query wants it. @throws ManagementError */
export async function listFrom(call: Call, list: ListName, scope: Scope, connection?: string): Promise<Answer> {
  const parameters = listParameters(call.query);
  const answer = await ask(call, { kind: 'list', list, scope, connection, parameters });
  return answer.kind === 'text' ? { status: 200, text: answer.json } : notFound();
}

/** An operation that lists what needs figures of all shards. */
export function statisticsList(
  definition: { readonly path: string; readonly tag: string; readonly summary: string; readonly needs: Need },
  list: ListName,
  scopeOf: (call: Call) => Scope,
): Endpoint {
  return endpoint({
    ...definition,
    method: 'GET',
    isList: true,
    statuses: [200],
    handle: (call) => {
      checkListVhost(call);
      return listFrom(call, list, scopeOf(call));
    },
  });
}

/** The order and the items of a list whose items are small. */
export function plainShape(order: readonly string[]): ListShape<JsonObject> {
  return { order, item: (item) => item };
}

/** Answers with a list that this shard knows by itself. */
export async function listAnswer<Row>(call: Call, rows: readonly Row[], shape: ListShape<Row>): Promise<Answer> {
  return { status: 200, text: await listText(rows, shape, listParameters(call.query)) };
}
