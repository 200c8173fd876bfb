import { afterEach, describe, expect, it, vi } from "vitest";
import { ApiError, failureOf, isLoggedIn, login, post } from "./api";

const BASE = new URL("http://kvm.test/rack/");

function answering(response: () => Response | Promise<Response>) {
  const fake = vi.fn((_url: string, _init: RequestInit) => Promise.resolve(response()));
  vi.stubGlobal("fetch", fake);
  return fake;
}

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("failed calls", () => {
  it("carry the contract's error", async () => {
    const body = { ok: false, result: { error: "AtxIsBusyError", error_msg: "busy" } };
    const error = await failureOf(Response.json(body, { status: 409 }));
    expect([error.status, error.kind, error.message]).toEqual([409, "AtxIsBusyError", "busy"]);
  });

  it("survive a proxy's HTML and odd JSON", async () => {
    expect((await failureOf(new Response("<h1>Bad gateway</h1>", { status: 502 }))).status).toBe(502);
    expect((await failureOf(Response.json([1], { status: 400 }))).kind).toBe("");
    expect((await failureOf(Response.json({ result: { error: 7 } }, { status: 400 }))).kind).toBe("");
  });

  it("tell how long to wait", async () => {
    const slow = new Response("", { status: 429, headers: { "Retry-After": "30" } });
    expect((await failureOf(slow)).retryAfterS).toBe(30);
    const date = new Response("", {
      status: 429,
      headers: { "Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT" },
    });
    expect((await failureOf(date)).retryAfterS).toBeNull();
  });

  it("without an answer have status 0", async () => {
    answering(() => Promise.reject(new TypeError("Failed to fetch")));
    await expect(post(BASE, "api/atx/click", { button: "power" })).rejects.toMatchObject({ status: 0 });
  });
});

describe("the session check", () => {
  it.each([
    [200, true],
    [400, false],
    [401, false],
    [403, false],
  ])("takes %i as %s", async (status, expected) => {
    answering(() => new Response("{}", { status }));
    await expect(isLoggedIn(BASE)).resolves.toBe(expected);
  });

  it.each([500, 502])("does not take %i for a logout", async (status) => {
    answering(() => new Response("", { status }));
    await expect(isLoggedIn(BASE)).rejects.toBeInstanceOf(ApiError);
  });
});

it("sends the login as a form below the page's path", async () => {
  const fake = answering(() => Response.json({ ok: true, result: {} }));
  await login(BASE, "admin", "a b&c=123456");
  const [url, init] = fake.mock.calls[0] ?? [];
  expect(url).toBe("http://kvm.test/rack/api/auth/login");
  expect(String(init?.body)).toBe("user=admin&passwd=a+b%26c%3D123456");
});
