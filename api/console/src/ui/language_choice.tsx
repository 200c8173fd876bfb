/** The language of the page. Its options are in their own languages: one finds one's own. */

import { language, text } from "../text";
import { isLanguage, LANGUAGES } from "../text/languages";
import { Choice } from "./kit";

const FOLLOW = "";

export function LanguageChoice() {
  const { label, follow } = text.value.language;
  return (
    <Choice
      id="language"
      label={label}
      value={language.value ?? FOLLOW}
      options={[[FOLLOW, follow], ...Object.entries(LANGUAGES)]}
      onChange={(chosen) => {
        language.value = isLanguage(chosen) ? chosen : null;
      }}
    />
  );
}
