/**
 * Addresses relative to where the page was served from, so that the console also works below a path of a
 * reverse proxy. Pure: no access to `window`.
 */

export type Query = Readonly<Record<string, string | number | boolean>>;

/** The folder of the page at `href`; everything the appliance serves lies below it. */
export function baseOf(href: string): URL {
  return new URL(".", href);
}

/** The address of `path` (without a leading slash) with its parameters in the query (contract http.md 2.3). */
export function endpoint(base: URL, path: string, query: Query = {}): string {
  const url = new URL(path, base);
  for (const [name, value] of Object.entries(query)) {
    url.searchParams.set(name, String(value));
  }
  return url.href;
}

/** The same for a WebSocket. */
export function socketEndpoint(base: URL, path: string, query: Query = {}): string {
  const url = new URL(endpoint(base, path, query));
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/** The login page, told to come back to `here`, and to say so if a session has `ended`. */
export function loginUrl(base: URL, here: string, ended = false): string {
  const url = new URL(here);
  const next = url.pathname.slice(base.pathname.length) + url.search + url.hash;
  return endpoint(base, "login", { ...(next === "" ? {} : { next }), ...(ended ? { ended } : {}) });
}

/** Whether the login page at `loginHref` follows the end of a session. */
export function hasEnded(loginHref: string): boolean {
  return new URL(loginHref).searchParams.has("ended");
}

/**
 * Where to go after the login at `loginHref`: the `next` parameter if it stays inside the console, else the
 * console itself. A fragment survives the server's redirect to the login page, so it is kept as well.
 */
export function returnTarget(loginHref: string): string {
  const login = new URL(loginHref);
  const base = baseOf(loginHref);
  const next = login.searchParams.get("next");
  if (next === null) {
    return base.href + login.hash;
  }
  let target: URL;
  try {
    target = new URL(next, base);
  } catch {
    return base.href;
  }
  const inside = target.origin === base.origin && target.pathname.startsWith(base.pathname);
  return inside && target.pathname !== login.pathname ? target.href : base.href;
}
