import './configure.js';

/** The native protocol's messages (proto/client.proto): static encoders and decoders, 64-bit fields as numbers. */
export { duolog } from './gen/client.js';
