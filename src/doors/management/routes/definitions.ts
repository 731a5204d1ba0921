/** Definitions: everything that was declared, as one file. RabbitMQ's files can be imported; what is exported can be imported again without loss. */
import { exportDefinitions, exportVhostDefinitions } from '../definitions-export.js';
import { importDefinitions } from '../definitions-import.js';
import { type Answer, type Call, DONE, type Endpoint, endpoint, endpointWithBody } from '../endpoint.js';
import { definitionsBody } from '../schemas.js';
import { requireVhost } from './lists.js';

const TAG = 'definitions';

function download(call: Call, text: string): Answer {
  const file = call.query.get('download');
  if (file === null) return { status: 200, text };
  // Nothing in the name may end the header.
  const name = file.replaceAll(/[^\w.@-]/g, '_');
  return { status: 200, text, headers: [['content-disposition', `attachment; filename=${name}`]] };
}

function pair(path: string): readonly Endpoint[] {
  const shared = { path, tag: TAG, needs: 'administrator' } as const;
  return [
    endpoint({
      ...shared,
      method: 'GET',
      summary: 'Export all definitions',
      statuses: [200],
      handle: async (call) => download(call, await exportDefinitions(call)),
    }),
    endpointWithBody({
      ...shared,
      method: 'POST',
      summary: 'Import definitions; what exists already stays as it is, but for users, permissions and the like',
      body: definitionsBody,
      isLarge: true,
      statuses: [204],
      handle: async (call) => {
        await importDefinitions(call, call.body, undefined);
        return DONE;
      },
    }),
  ];
}

/** Operations on definitions. */
export const definitionEndpoints: readonly Endpoint[] = [
  ...pair('/definitions'),
  // The name of RabbitMQ 2.
  ...pair('/all-configuration'),
  endpoint({
    method: 'GET',
    path: '/definitions/:vhost',
    tag: TAG,
    summary: 'Export the definitions of a virtual host',
    needs: 'administrator',
    statuses: [200],
    handle: async (call) => download(call, await exportVhostDefinitions(call, requireVhost(call))),
  }),
  endpointWithBody({
    method: 'POST',
    path: '/definitions/:vhost',
    tag: TAG,
    summary: 'Import definitions into a virtual host',
    needs: 'administrator',
    body: definitionsBody,
    isLarge: true,
    statuses: [204],
    handle: async (call) => {
      await importDefinitions(call, call.body, requireVhost(call));
      return DONE;
    },
  }),
];
