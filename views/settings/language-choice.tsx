import { SelectField } from '../kit/select';
import { languageNames } from '../locales';
import { useText } from '../render';

/** The language of pages. */
export function LanguageChoice({ language }: { language: string | null }) {
  const t = useText().you;
  const languages = Object.entries(languageNames).map(([value, label]) => ({ value, label }));
  return (
    <form method="post" action="/settings/you/language" class="inline-form">
      <SelectField
        id="your-language"
        name="language"
        label={t.language}
        value={language ?? ''}
        groups={[{ options: [{ value: '', label: t.browsersLanguage }, ...languages] }]}
      />
      <button type="submit" class="button">
        {t.saveLanguage}
      </button>
    </form>
  );
}
