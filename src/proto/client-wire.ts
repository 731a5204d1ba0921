import './configure.js';
import type { duolog as types } from './gen/client.js';
import { duolog } from './gen/client-wire.js';

const { Deliver, Delivery, Frame, Properties, Routed } = duolog.client.v1;

/** What the generated code of this form has of each message, whatever the shared declarations say. */
type BinaryForms = {
  readonly [Name in keyof typeof types.client.v1]: (typeof types.client.v1)[Name] extends { decode: infer Decode }
    ? { readonly decode: Decode }
    : unknown;
};

/** Decoders of every message by name; byte fields are views. They throw as `decodeFrame` does. */
export const messages: BinaryForms = duolog.client.v1;

/** A whole frame as a plain object. */
export type WireFrame = types.client.v1.Frame.$Properties;
/** The content of a frame's one kind. */
export type WireKind<Kind extends keyof WireFrame> = NonNullable<WireFrame[Kind]>;

/** A frame in protobuf's binary form, in bytes that nobody else holds. */
export function encodeFrame(frame: WireFrame): Uint8Array {
  return Frame.encode(frame).finish();
}

/** Reads a frame; byte fields are views. Throws whatever the generated code throws on malformed bytes. */
export function decodeFrame(bytes: Uint8Array): WireFrame {
  return Frame.decode(bytes);
}

/** Reads a Deliver without the frame around it; byte fields are views. Throws as `decodeFrame` does. */
export function decodeDeliver(bytes: Uint8Array): WireKind<'deliver'> {
  return Deliver.decode(bytes);
}

/** A Routed without anything around it, in bytes that nobody else holds. */
export function encodeRouted(routed: types.client.v1.Routed.$Properties): Uint8Array {
  return Routed.encode(routed).finish();
}

/** A Delivery without anything around it, in bytes that nobody else holds. */
export function encodeDelivery(delivery: types.client.v1.Delivery.$Properties): Uint8Array {
  return Delivery.encode(delivery).finish();
}

/** Reads a Routed without anything around it; byte fields are views. Throws as `decodeFrame` does. */
export function decodeRouted(bytes: Uint8Array): types.client.v1.Routed.$Properties {
  return Routed.decode(bytes);
}

/** Reads Properties without anything around them; byte fields are views. Throws as `decodeFrame` does. */
export function decodeProperties(bytes: Uint8Array): types.client.v1.Properties.$Properties {
  return Properties.decode(bytes);
}

/** The schema's enumerations. */
export const { Durability, ErrorCode, ListKind, Outcome, Overflow, QueueType, SlowReader } = duolog.client.v1;
/** What becomes of a delivery. */
export type Outcome = types.client.v1.Outcome;
/** How safe a message is. */
export type Durability = types.client.v1.Durability;
