/** The user's own account: the second factor and passkeys; for administrators those of others (docs/logins.md). */

import { useSession } from "../../ui/context";
import { OthersFactors } from "./account/others";
import { Passkeys } from "./account/passkeys";
import { SecondFactor } from "./account/second_factor";

export default function AccountPage() {
  const { rights } = useSession();
  const user = rights.granted.value?.user ?? "";
  return (
    <>
      <SecondFactor user={user} />
      <Passkeys user={user} />
      {rights.may("admin") && <OthersFactors user={user} />}
    </>
  );
}
