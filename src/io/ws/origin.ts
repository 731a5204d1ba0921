/** Which web pages may open a connection. A page from anywhere can try, and the browser tells where it comes from. */

/** Decides by the Origin and Host headers of a handshake; empty strings stand for absent ones. */
export type OriginCheck = (origin: string, host: string) => boolean;

/**
 * Accepts pages of the same origin (the Origin's host and port are those of the Host header) and those in `allowed`, exact origins such as
 * `https://console.example.org`. Without an Origin it is no browser, and nothing to check.
 */
export function originCheck(allowed: readonly string[] = []): OriginCheck {
  const exact = new Set(allowed.map((origin) => origin.toLowerCase()));
  return (origin, host) => {
    if (origin === '') return true;
    const lower = origin.toLowerCase();
    if (exact.has(lower)) return true;
    const match = /^https?:\/\/([^/?#@]+)$/.exec(lower);
    return match !== null && host !== '' && match[1] === host.toLowerCase();
  };
}
