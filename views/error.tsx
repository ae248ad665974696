import { AppLayout, CardLayout, SidebarButton } from './layout';
import type { Shell } from './models';
import { useText } from './render';
import { Sentence } from './sentences';

interface ErrorProps {
  /** Present if a user is signed in: the page then has the sidebar, with links out. */
  shell?: Shell | undefined;
  /** Whether the page leads to the sign-in. Without a shell its reader may be signed in all the same: some requests are refused before that is known. */
  isSignedOut: boolean;
  status: number;
  title: string;
  message: string;
  hint?: string | undefined;
  requestId: string;
}

/** An error page: what happened, what to do, and the request id under which the log has the details. */
export function ErrorPage({ shell, ...error }: ErrorProps) {
  if (!shell) {
    return (
      <CardLayout title={error.title}>
        <ErrorBody {...error} />
      </CardLayout>
    );
  }
  return (
    <AppLayout shell={shell} title={error.title}>
      <header class="title-bar narrow-only">
        <SidebarButton />
      </header>
      <ErrorBody {...error} />
    </AppLayout>
  );
}

function ErrorBody({ status, title, message, hint, requestId, isSignedOut }: Omit<ErrorProps, 'shell'>) {
  const t = useText();
  return (
    <div class="entrance error-body">
      <p class="quiet">{t.error.status(status)}</p>
      <h1>{title}</h1>
      <p>
        <Sentence of={message} />
      </p>
      {hint && (
        <p class="quiet">
          <Sentence of={hint} />
        </p>
      )}
      <a class="button primary" href="/">
        {isSignedOut ? t.signIn.title : t.error.home}
      </a>
      <p class="quiet small-text">
        {t.error.requestId} <code>{requestId}</code>
      </p>
    </div>
  );
}
