import protobuf from 'protobufjs/minimal.js';

// Offsets, tags and times stay below 2^53, so 64-bit fields are plain numbers: without this, protobufjs would hand out Long objects.
// The assignment must run before the generated code is loaded, which is why it is a module of its own.
(protobuf.util as { Long: unknown }).Long = undefined;
protobuf.configure();
