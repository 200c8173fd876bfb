/** Entry of the console page. */

import { render } from "preact";
import { Session } from "./session";
import { ConsolePage } from "./ui/console_page";
import "./styles/base.css";
import "./styles/console.css";

const root = document.getElementById("root");
if (root === null) {
  throw new Error("expected an element #root in the page, got none");
}
const session = new Session({
  href: location.href,
  userAgent: navigator.userAgent,
  onLeaveKeyboard: () => document.querySelector<HTMLElement>(".tools button")?.focus(),
});
render(<ConsolePage session={session} />, root);
session.start();
