/// <reference types="vitest/config" />
import { defineConfig } from "vite";

/** The appliance that `npm run dev` talks to; `./justw run` listens there. */
const DEVELOPMENT_TARGET = "http://127.0.0.1:8080";

export default defineConfig({
  // Relative, so that the console works below any path of a reverse proxy.
  base: "./",
  build: {
    target: "es2022",
    outDir: "dist",
    emptyOutDir: true,
    // The contract makes /share/* public (http.md section 1), which the login page needs.
    assetsDir: "share/assets",
    // The Content-Security-Policy allows no inline script or style, and data: only for pictures.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: ["index.html", "login.html"],
    },
  },
  server: {
    proxy: {
      "/api": { target: DEVELOPMENT_TARGET, ws: true },
      "/streamer": { target: DEVELOPMENT_TARGET },
      // The appliance serves login.html at /login; the development server does so by itself.
      "^/login(\\?.*)?$": { target: DEVELOPMENT_TARGET, bypass: () => "/login.html" },
    },
  },
  test: {
    include: ["src/**/*.test.ts"],
    // A busy machine makes everything slower; what hangs is found all the same.
    testTimeout: 60_000,
  },
});
