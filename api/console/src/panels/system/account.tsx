/** The user's own account: the second factor; for administrators those of others (docs/logins.md). */

import { useSession } from "../../ui/context";
import { OthersFactors } from "./account/others";
import { SecondFactor } from "./account/second_factor";

export default function AccountPage() {
  const { rights } = useSession();
  const user = rights.granted.value?.user ?? "";
  return (
    <>
      <SecondFactor user={user} />
      {rights.may("admin") && <OthersFactors user={user} />}
    </>
  );
}
