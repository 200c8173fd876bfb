/** How this reader wants the console, and what it is. */

import { endpoint } from "../../net/urls";
import { text } from "../../text";
import { useSession } from "../../ui/context";
import { Choice, Row, Section } from "../../ui/kit";
import { LanguageChoice } from "../../ui/language_choice";
import { type Theme, theme } from "../../ui/theme";

export default function SettingsPage() {
  const session = useSession();
  const words = text.value.system;
  return (
    <>
      <Section title={words.appearance}>
        <Choice<Theme>
          id="theme"
          label={words.theme}
          value={theme.value}
          options={[
            ["system", words.themes.system],
            ["light", words.themes.light],
            ["dark", words.themes.dark],
          ]}
          onChange={(chosen) => {
            theme.value = chosen;
          }}
        />
        <LanguageChoice />
      </Section>
      <Section title={words.about}>
        <p>{words.aboutText}</p>
        <Row>
          <a class="tool" href={endpoint(session.base, "api/docs")} target="_blank" rel="noreferrer">
            {words.apiDocs}
          </a>
          <a
            class="tool"
            href={endpoint(session.base, "share/licenses.txt")}
            target="_blank"
            rel="noreferrer"
          >
            {words.licences}
          </a>
        </Row>
      </Section>
    </>
  );
}
