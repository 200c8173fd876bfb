/** Access for programs and guests: API tokens and share links (docs/security.md, "Tokens and share links"). */

import { Grants } from "./access/grants";

export default function AccessPage() {
  return (
    <>
      <Grants kind="tokens" />
      <Grants kind="shares" />
    </>
  );
}
