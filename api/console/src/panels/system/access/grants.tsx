/** The tokens, or the share links: listed, made, revoked. */

import { useEffect, useState } from "preact/hooks";
import { call } from "../../../net/api";
import { text } from "../../../text";
import { relative } from "../../../text/units";
import { useSession } from "../../../ui/context";
import { Button, Empty, Loading, Row, Section } from "../../../ui/kit";
import { MakeGrant } from "./make";
import { Secret } from "./secret";
import type { Grant, Kind, Made } from "./types";

export function Grants({ kind }: { kind: Kind }) {
  const session = useSession();
  const words = text.value.access;
  const [grants, setGrants] = useState<readonly Grant[] | null>(null);
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<Made | null>(null);
  const path = `api/auth/${kind}`;
  const look = async (): Promise<void> => {
    const answer = await session.attempt(words[kind], () =>
      call<Partial<Record<Kind, Grant[]>>>("GET", session.base, path),
    );
    if (answer !== null) {
      setGrants(answer[kind] ?? []);
    }
  };
  useEffect(() => {
    void look();
  }, [session, kind]);
  const revoke = async (grant: Grant): Promise<void> => {
    const name = grant.name === "" ? words.unnamed : grant.name;
    const question = {
      title: words.confirmRevoke(name),
      text: words.confirmRevokeText,
      action: words.revoke,
    };
    if (await session.confirm(question)) {
      await session.act(words.revoke, `${path}/revoke`, { id: grant.id });
      await look();
    }
  };
  return (
    <Section title={words[kind]} id={kind}>
      <p class="empty">{kind === "tokens" ? words.tokensHint : words.sharesHint}</p>
      {grants === null && <Loading />}
      {grants?.length === 0 && <Empty>{kind === "tokens" ? words.noTokens : words.noShares}</Empty>}
      <ul class="plain-list" id={`${kind}-list`}>
        {grants?.map((grant) => (
          <GrantItem key={grant.id} grant={grant} onRevoke={() => void revoke(grant)} />
        ))}
      </ul>
      {made !== null && <Secret kind={kind} made={made} />}
      {making ? (
        <MakeGrant
          kind={kind}
          onMade={(answer) => {
            setMade(answer);
            setMaking(false);
            void look();
          }}
          onCancel={() => setMaking(false)}
        />
      ) : (
        <Row>
          <Button
            id={`${kind}-make`}
            primary
            onPress={() => {
              setMade(null);
              setMaking(true);
            }}
          >
            {kind === "tokens" ? words.makeToken : words.makeShare}
          </Button>
        </Row>
      )}
    </Section>
  );
}

function GrantItem({ grant, onRevoke }: { grant: Grant; onRevoke: () => void }) {
  const words = text.value.access;
  const name = grant.name === "" ? words.unnamed : grant.name;
  const { lang } = document.documentElement;
  const told = [
    words.madeAgo(relative(-grant.age_s, lang)),
    grant.left_s === null ? words.endsNever : words.endsIn(relative(grant.left_s, lang)),
    grant.used_s === null ? words.usedNever : words.usedAgo(relative(-grant.used_s, lang), grant.used_from),
  ];
  return (
    <li data-testid="grant">
      <Row>
        <strong>{name}</strong>
        {!grant.own && <span>{words.of(grant.user)}</span>}
        <span>{grant.capabilities.map((one) => words.capabilities[one] ?? one).join(", ")}</span>
      </Row>
      <Row>
        <span class="empty">{told.join(" · ")}</span>
      </Row>
      <Row>
        <Button danger onPress={onRevoke}>
          {words.revoke}
          <span class="unseen"> {name}</span>
        </Button>
      </Row>
    </li>
  );
}
