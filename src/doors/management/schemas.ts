/**
 * What request bodies must be. One source: requests are checked by these, and the OpenAPI description is made of them. As lenient as RabbitMQ where its
 * tools need it (numbers and truth values as text, an empty list for no arguments); names that are not known are passed over.
 */
import { z } from 'zod';
import type { Json, JsonObject } from './json.js';
import * as limits from './limits.js';

const TEXT_MAX = 255;
const LONG_TEXT_MAX = 4096;

/** A name as AMQP's short strings hold it; bytes are counted where it is used. */
const name = z.string().max(TEXT_MAX);
const flag = z.union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')]);
const whole = z.union([
  z.number().int(),
  z
    .string()
    .regex(/^-?\d{1,15}$/)
    .transform(Number),
]);

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Any object of JSON. PHP's clients send an empty list for an empty object. */
const object = z
  .union([z.custom<JsonObject>(isObject), z.array(z.unknown()).max(0)])
  .transform((value): JsonObject => (Array.isArray(value) ? {} : value))
  .meta({ type: 'object', additionalProperties: true });
/** Any value of JSON: what was parsed is nothing else. */
const anything = z.custom<Json>((value) => value !== undefined).meta({});

/** Tags: a list, or a text with commas between. */
const tags = z.union([
  z.array(name).max(limits.COLUMNS_MAX),
  z
    .string()
    .max(LONG_TEXT_MAX)
    .transform((text) =>
      text
        .split(',')
        .map((tag) => tag.trim())
        .filter((tag) => tag !== ''),
    ),
]);

/** PUT of a queue. */
export const queueBody = z.object({
  durable: flag.default(false),
  auto_delete: flag.default(false),
  exclusive: flag.default(false),
  arguments: object.default({}),
});

/** PUT of an exchange. */
export const exchangeBody = z.object({
  type: name.default('direct'),
  durable: flag.default(false),
  auto_delete: flag.default(false),
  internal: flag.default(false),
  arguments: object.default({}),
});

/** POST of a binding. */
export const bindingBody = z.object({ routing_key: name.nullish(), arguments: object.default({}) });

/** A message to publish. */
export const publishBody = z.object({
  routing_key: name,
  properties: object,
  payload: z.string(),
  payload_encoding: z.string().max(TEXT_MAX),
});

/** How many messages to get, and what becomes of them. */
export const getBody = z.object({
  count: whole,
  ackmode: z.string().max(TEXT_MAX).optional(),
  requeue: flag.optional(),
  encoding: z.string().max(TEXT_MAX),
  truncate: whole.optional(),
});

/** What to do with a queue. */
export const actionBody = z.object({ action: z.string().max(TEXT_MAX) });

/** PUT of a virtual host. */
export const vhostBody = z.object({
  description: z.string().max(LONG_TEXT_MAX).optional(),
  tags: tags.optional(),
  default_queue_type: z.string().max(TEXT_MAX).nullish(),
  tracing: flag.optional(),
});

/** PUT of a user. */
export const userBody = z.object({
  password: z.string().max(LONG_TEXT_MAX).optional(),
  password_hash: z.string().max(LONG_TEXT_MAX).optional(),
  hashing_algorithm: z.string().max(TEXT_MAX).nullish(),
  tags: tags.optional(),
});

/** Users to delete. */
export const bulkDeleteBody = z.object({ users: z.array(name).max(limits.BULK_USERS_MAX) });

const pattern = z.string().max(LONG_TEXT_MAX);

/** PUT of permissions. */
export const permissionBody = z.object({ configure: pattern, write: pattern, read: pattern });
/** PUT of topic permissions. */
export const topicPermissionBody = z.object({ exchange: name, write: pattern, read: pattern });
/** PUT of a limit. */
export const limitBody = z.object({ value: whole });
/** PUT of a parameter. */
export const parameterBody = z.object({ value: anything });
/** PUT of a policy, or of an operator policy. */
export const policyBody = z.object({
  pattern,
  definition: object,
  priority: whole.nullish(),
  'apply-to': z.string().max(TEXT_MAX).nullish(),
});
/** PUT of the name of the cluster. */
export const clusterNameBody = z.object({ name });

/** PUT of the limit of memory, in bytes. */
export const memoryLimitBody = z.object({ bytes: z.number().int().min(0) });

/** What a backup is to be called. */
export const backupBody = z.object({ name });

const vhost = name.optional();

/** A file of definitions, as a RabbitMQ of any version since 3.6 exports it, or this node. */
export const definitionsBody = z.object({
  users: z
    .array(
      z.object({
        name,
        password_hash: z.string().max(LONG_TEXT_MAX).nullish(),
        hashing_algorithm: z.string().max(TEXT_MAX).nullish(),
        tags: tags.default([]),
        limits: object.optional(),
      }),
    )
    .default([]),
  vhosts: z
    .array(
      z.object({
        name,
        description: z.string().max(LONG_TEXT_MAX).optional(),
        tags: tags.optional(),
        default_queue_type: z.string().max(TEXT_MAX).nullish(),
        metadata: object.optional(),
      }),
    )
    .default([]),
  permissions: z.array(permissionBody.extend({ user: name, vhost: name })).default([]),
  topic_permissions: z.array(topicPermissionBody.extend({ user: name, vhost: name })).default([]),
  parameters: z.array(parameterBody.extend({ vhost, component: name, name })).default([]),
  global_parameters: z.array(parameterBody.extend({ name })).default([]),
  policies: z.array(policyBody.extend({ vhost, name })).default([]),
  queues: z.array(queueBody.extend({ vhost, name })).default([]),
  exchanges: z.array(exchangeBody.extend({ vhost, name })).default([]),
  bindings: z
    .array(
      z.object({
        vhost,
        source: name,
        destination: name,
        destination_type: z.enum(['queue', 'exchange']),
        routing_key: name.nullish(),
        arguments: object.default({}),
      }),
    )
    .default([]),
  /** This node's own: topics without a queue's cursor. */
  duolog_topics: z
    .array(
      z.object({
        vhost,
        name,
        partitions: z.number().int().min(1),
        durability: z.number().int().min(1).max(3),
        retention_ms: z.number(),
        retention_bytes: z.number(),
        segment_bytes: z.number(),
        segment_ms: z.number(),
      }),
    )
    .default([]),
});

/** What is to be imported. */
export type Definitions = z.infer<typeof definitionsBody>;
