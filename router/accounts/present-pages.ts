/** What a page takes of subjects above its own. app.ts hands it in, so that no subject imports one above it. */
import type { Shell } from '../../views/models';
import type { SettingsPage } from '../../views/settings/page';
import type { Who } from './identify';

/** The frame around a page that is about no agent: the sidebar and who is signed in. */
export type ShellOf = (who: Who) => Promise<Shell>;

/** What of the settings page differs from what is stored: refused forms, what was just made. */
export type SettingsProps = Partial<Parameters<typeof SettingsPage>[0]>;

export interface SettingsPages {
  page(who: Who, request: Request, props: SettingsProps, status?: number): Promise<Response>;
  /** After a form: a redirect to its card on the page. @param said names the sentence that says what was done. */
  back(request: Request, said: string, card: string): Response;
}
