/** Entry of the login page. */

import { render } from "preact";
import { baseOf, hasEnded, returnTarget } from "./net/urls";
import { followLanguage } from "./text";
import { LoginPage } from "./ui/login_page";
import { followTheme } from "./ui/theme";
import "./styles/base.css";
import "./styles/kit.css";
import "./styles/login.css";

const root = document.getElementById("root");
if (root === null) {
  throw new Error("expected an element #root in the page, got none");
}
const { href } = location;
followTheme();
await followLanguage();
render(<LoginPage base={baseOf(href)} target={returnTarget(href)} ended={hasEnded(href)} />, root);
