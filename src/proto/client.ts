import './configure.js';
import { duolog } from './gen/client.js';

/** The native protocol's messages (proto/client.proto): static encoders and decoders, 64-bit fields as numbers. */
export import v1 = duolog.client.v1;
