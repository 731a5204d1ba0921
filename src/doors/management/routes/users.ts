/** Users. What their passwords are checked against is told in definitions alone. */
import type { UserEntry } from '../../../broker/access/model.js';
import type { AccessRequest, PasswordChange } from '../../../broker/access/requests.js';
import { type Call, DONE, type Endpoint, endpoint, endpointWithBody, stored } from '../endpoint.js';
import { badRequest, notFound } from '../errors.js';
import type { JsonObject } from '../json.js';
import type { PasswordForms } from '../ports.js';
import { bulkDeleteBody, userBody } from '../schemas.js';
import { itemAnswer, listAnswer, plainShape } from './lists.js';

const TAG = 'users';
const PATH = '/users/:user';

/** A user as the API shows one. */
export function userItem(call: Call, user: UserEntry): JsonObject {
  return { name: user.name, tags: [...user.tags], limits: { ...call.ports.view.userLimits(user.name) } };
}

/** The user of the path. @throws ManagementError `not-found` */
export function requireUser(call: Call): UserEntry {
  return call.ports.view.user(call.param('user')) ?? notFound();
}

/** What a password becomes. @throws ManagementError or BrokerError for a hash that is none */
export function passwordChange(
  forms: PasswordForms,
  given: {
    readonly password?: string | undefined;
    readonly hash?: string | null | undefined;
    readonly algorithm?: string | null | undefined;
  },
): PasswordChange {
  const { password, hash, algorithm } = given;
  if (password !== undefined && hash !== undefined && hash !== null) {
    badRequest("Cannot simultaneously specify 'password' and 'password_hash'");
  }
  if (password !== undefined) return password === '' ? { kind: 'none' } : { kind: 'password', password };
  if (hash === undefined || hash === null) return { kind: 'keep' };
  return hash === '' ? { kind: 'none' } : forms.imported(hash, algorithm ?? undefined);
}

function* usersWithoutPermissions(call: Call): Iterable<UserEntry> {
  for (const user of call.ports.view.users()) {
    const [first] = call.ports.view.permissions({ user: user.name });
    if (first === undefined) yield user;
  }
}

const listUsers = (call: Call, users: Iterable<UserEntry>) =>
  listAnswer(
    call,
    Array.from(users, (user) => userItem(call, user)),
    plainShape(['name']),
  );

/** Operations on users. */
export const userEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'GET',
    path: '/users',
    tag: TAG,
    summary: 'Users',
    needs: 'administrator',
    isList: true,
    statuses: [200],
    handle: (call) => listUsers(call, call.ports.view.users()),
  }),
  endpoint({
    method: 'GET',
    path: '/users/without-permissions',
    tag: TAG,
    summary: 'Users who may enter no virtual host',
    needs: 'administrator',
    isList: true,
    statuses: [200],
    handle: (call) => listUsers(call, usersWithoutPermissions(call)),
  }),
  endpointWithBody({
    method: 'POST',
    path: '/users/bulk-delete',
    tag: TAG,
    summary: 'Delete several users; those that do not exist are passed over',
    needs: 'administrator',
    body: bulkDeleteBody,
    statuses: [204],
    handle: async (call) => {
      const names = new Set(call.body.users);
      const known = [...names].filter((name) => call.ports.view.user(name) !== undefined);
      const requests = known.map((name): AccessRequest => ({ kind: 'delete-user', name }));
      if (requests.length > 0) await call.ports.administer(requests, call.actor);
      return DONE;
    },
  }),
  endpoint({
    method: 'GET',
    path: PATH,
    tag: TAG,
    summary: 'A user',
    needs: 'administrator',
    statuses: [200],
    handle: (call) => itemAnswer(call, userItem(call, requireUser(call))),
  }),
  endpointWithBody({
    method: 'PUT',
    path: PATH,
    tag: TAG,
    summary: 'Make a user, or change the tags and the password',
    needs: 'administrator',
    body: userBody,
    statuses: [201, 204],
    handle: async (call) => {
      const { tags, password, password_hash: hash, hashing_algorithm: algorithm } = call.body;
      if (tags === undefined) badRequest('tags_not_present');
      const change = passwordChange(call.ports.passwords, { password, hash, algorithm });
      const name = call.param('user');
      const [outcome] = await call.ports.administer([{ kind: 'put-user', name, tags, password: change }], call.actor);
      return stored(outcome === 'created');
    },
  }),
  endpoint({
    method: 'DELETE',
    path: PATH,
    tag: TAG,
    summary: 'Delete a user with all permissions; open connections end',
    needs: 'administrator',
    statuses: [204],
    handle: async (call) => {
      await call.ports.administer([{ kind: 'delete-user', name: requireUser(call).name }], call.actor);
      return DONE;
    },
  }),
];
