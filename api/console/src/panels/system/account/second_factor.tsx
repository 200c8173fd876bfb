/** A second factor of one's own: enrolled with a QR code, its recovery codes shown once, given up. */

import { useEffect, useState } from "preact/hooks";
import { call, callWithForm } from "../../../net/api";
import { text } from "../../../text";
import { useSession } from "../../../ui/context";
import { Button, Loading, Row, Section } from "../../../ui/kit";
import { CodeField, Proof } from "./proof";

interface Own {
  enabled: boolean;
  recovery_codes_left: number;
}

interface NewSecret {
  secret: string;
  uri: string;
  qr: string;
}

interface Recovery {
  recovery_codes: string[];
}

type Act = "enroll" | "recovery_codes" | "disable";

export function SecondFactor({ user }: { user: string }) {
  const session = useSession();
  const words = text.value.account;
  const [own, setOwn] = useState<Own | null>(null);
  const [asking, setAsking] = useState<Act | null>(null);
  const [made, setMade] = useState<NewSecret | null>(null);
  const [codes, setCodes] = useState<readonly string[]>([]);
  const look = async (): Promise<void> => {
    const answer = await session.attempt(words.factor, () => call<Own>("GET", session.base, "api/auth/totp"));
    if (answer !== null) {
      setOwn(answer);
    }
  };
  useEffect(() => {
    void look();
  }, [session]);

  const begin = (act: Act): void => {
    setMade(null);
    setCodes([]);
    setAsking(act);
  };
  const proved = async (act: Act, passwd: string): Promise<void> => {
    const answer = await session.attempt(words[act], () =>
      callWithForm<Partial<NewSecret & Recovery>>(session.base, `api/auth/totp/${act}`, { passwd }),
    );
    if (answer === null) {
      return;
    }
    setAsking(null);
    setMade(act === "enroll" ? (answer as NewSecret) : null);
    setCodes(answer.recovery_codes ?? []);
    await look();
  };

  if (own === null) {
    return (
      <Section title={words.factor}>
        <Loading />
      </Section>
    );
  }
  return (
    <Section title={words.factor} id="second-factor">
      <p id="factor-state" role="status">
        {own.enabled ? words.factorOn(own.recovery_codes_left) : words.factorOff}
      </p>
      {codes.length > 0 && <RecoveryCodes codes={codes} />}
      {made !== null && (
        <Confirmation
          made={made}
          onDone={(recovery) => {
            setMade(null);
            setCodes(recovery);
            void look();
          }}
        />
      )}
      {asking !== null ? (
        <Proof
          key={asking}
          id="factor-proof"
          user={user}
          action={words[asking]}
          withCode={own.enabled}
          onProof={(passwd) => proved(asking, passwd)}
          onCancel={() => setAsking(null)}
        />
      ) : (
        made === null && (
          <Row>
            {own.enabled ? (
              <>
                <Button id="factor-recovery" onPress={() => begin("recovery_codes")}>
                  {words.recovery_codes}
                </Button>
                <Button id="factor-disable" danger onPress={() => begin("disable")}>
                  {words.disable}
                </Button>
              </>
            ) : (
              <Button id="factor-enroll" primary onPress={() => begin("enroll")}>
                {words.enroll}
              </Button>
            )}
          </Row>
        )
      )}
    </Section>
  );
}

function Confirmation({ made, onDone }: { made: NewSecret; onDone: (recovery: string[]) => void }) {
  const session = useSession();
  const words = text.value.account;
  const [code, setCode] = useState("");
  const confirm = async (): Promise<void> => {
    const answer = await session.attempt(words.confirm, () =>
      callWithForm<Recovery>(session.base, "api/auth/totp/confirm", { code }),
    );
    if (answer !== null) {
      onDone(answer.recovery_codes);
    }
  };
  return (
    <form
      class="section"
      onSubmit={(event) => {
        event.preventDefault();
        void confirm();
      }}
    >
      <p>{words.scan}</p>
      <img id="factor-qr" data-testid="factor-qr" class="qr" src={made.qr} alt={words.qrAlt} />
      <p>
        {words.orType} <code id="factor-secret">{made.secret.match(/.{1,4}/g)?.join(" ")}</code>
      </p>
      <CodeField
        id="factor-code"
        label={words.appCode}
        hint={words.appCodeHint}
        error=""
        value={code}
        onCode={setCode}
      />
      <Row>
        <button type="submit" id="factor-confirm" data-testid="factor-confirm" class="tool primary">
          {words.confirm}
        </button>
      </Row>
    </form>
  );
}

function RecoveryCodes({ codes }: { codes: readonly string[] }) {
  const words = text.value.account;
  return (
    <div role="group" aria-label={words.recovery_codes}>
      <p>{words.recoveryHint}</p>
      <ul class="plain-list codes" id="recovery-codes" data-testid="recovery-codes">
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ul>
    </div>
  );
}
