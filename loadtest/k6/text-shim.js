// k6 has no TextEncoder and no TextDecoder; the generated code asks for them. esbuild puts these in their place.

/** Encodes text as UTF-8. */
export class TextEncoder {
  encode(text) {
    const escaped = unescape(encodeURIComponent(text));
    const bytes = new Uint8Array(escaped.length);
    for (let index = 0; index < escaped.length; index++) bytes[index] = escaped.charCodeAt(index);
    return bytes;
  }
}

/** Decodes UTF-8. */
export class TextDecoder {
  decode(bytes) {
    let escaped = '';
    for (let index = 0; index < bytes.length; index++) escaped += String.fromCharCode(bytes[index]);
    return decodeURIComponent(escape(escaped));
  }
}
