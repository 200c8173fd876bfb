import { describe, expect, it } from "vitest";
import { baseOf, endpoint, loginUrl, returnTarget, socketEndpoint } from "./urls";

const ROOT = new URL("http://kvm.test/");
const BELOW = new URL("https://proxy.test/rack/kvm1/");

describe("addresses", () => {
  it("lie in the folder of the page", () => {
    expect(baseOf("http://kvm.test/").href).toBe("http://kvm.test/");
    expect(baseOf("http://kvm.test/login?next=x#y").href).toBe("http://kvm.test/");
    expect(baseOf("https://proxy.test/rack/kvm1/#/drives").href).toBe(BELOW.href);
  });

  it("carry parameters in the query", () => {
    expect(endpoint(ROOT, "api/atx/click", { button: "power" })).toBe(
      "http://kvm.test/api/atx/click?button=power",
    );
    expect(endpoint(BELOW, "api/x", { a: "1&2 3", b: true, c: 0 })).toBe(
      "https://proxy.test/rack/kvm1/api/x?a=1%262+3&b=true&c=0",
    );
  });

  it("of sockets follow the page's security", () => {
    expect(socketEndpoint(ROOT, "api/ws", { stream: 1 })).toBe("ws://kvm.test/api/ws?stream=1");
    expect(socketEndpoint(BELOW, "api/ws")).toBe("wss://proxy.test/rack/kvm1/api/ws");
  });
});

describe("the way to the login page and back", () => {
  it.each([
    [ROOT, "http://kvm.test/"],
    [ROOT, "http://kvm.test/?port=2#/drives"],
    [BELOW, "https://proxy.test/rack/kvm1/"],
    [BELOW, "https://proxy.test/rack/kvm1/?q=a%26b#/log?live=1"],
  ])("comes back to where it left %s", (base, here) => {
    expect(returnTarget(loginUrl(base, here))).toBe(here);
  });

  it("keeps a fragment that survived a redirect", () => {
    expect(returnTarget("http://kvm.test/login#/drives")).toBe("http://kvm.test/#/drives");
  });

  it.each([
    "https://evil.test/",
    "//evil.test/",
    "\\\\evil.test/",
    "javascript:alert(1)",
    "http://[",
    "../../elsewhere/",
    "login?next=login",
  ])("does not follow %s", (next) => {
    const login = endpoint(BELOW, "login", { next });
    expect(returnTarget(login)).toBe(BELOW.href);
  });
});
