/** Entry of the login page. */

import { render } from "preact";
import { baseOf, returnTarget } from "./net/urls";
import { LoginPage } from "./ui/login_page";
import "./styles/base.css";
import "./styles/login.css";

const root = document.getElementById("root");
if (root === null) {
  throw new Error("expected an element #root in the page, got none");
}
render(<LoginPage base={baseOf(location.href)} target={returnTarget(location.href)} />, root);
