/** Entry of the console page. */

import { render } from "preact";
import { Session } from "./session";
import { followAddress } from "./state/route";
import { followLanguage } from "./text";
import { ConsolePage } from "./ui/console_page";
import { followTheme } from "./ui/theme";
import "./styles/base.css";
import "./styles/kit.css";
import "./styles/console.css";
import "./styles/panel.css";

const root = document.getElementById("root");
if (root === null) {
  throw new Error("expected an element #root in the page, got none");
}
const session = new Session({
  href: location.href,
  userAgent: navigator.userAgent,
  onLeaveKeyboard: () => document.querySelector<HTMLElement>(".tools button")?.focus(),
});
followTheme();
followAddress();
await followLanguage();
render(<ConsolePage session={session} />, root);
session.start();
