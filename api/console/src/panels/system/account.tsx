/** The user's own account: the second factor and passkeys; for administrators those of others (docs/logins.md). */

import { text } from "../../text";
import { useSession } from "../../ui/context";
import { Section } from "../../ui/kit";
import { OthersFactors } from "./account/others";
import { Passkeys } from "./account/passkeys";
import { SecondFactor } from "./account/second_factor";

/** Begins the names of users who came through a provider (docs/logins.md). */
const OF_PROVIDER = "oidc:";

export default function AccountPage() {
  const { rights } = useSession();
  const words = text.value.account;
  const user = rights.granted.value?.user ?? "";
  return (
    <>
      {user.startsWith(OF_PROVIDER) ? (
        <Section title={words.factor}>
          <p id="account-elsewhere">{words.elsewhere}</p>
        </Section>
      ) : (
        <>
          <SecondFactor user={user} />
          <Passkeys user={user} />
        </>
      )}
      {rights.may("admin") && <OthersFactors user={user} />}
    </>
  );
}
