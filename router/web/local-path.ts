/** Where a page leads to after a form or a sign-in. */

/**
 * Allows only paths of this router, so that a sign-in never redirects to another host. Browsers read a backslash as a
 * slash and drop tabs and line ends, so that "/<tab>/elsewhere" would be another host.
 */
export function localPath(next: string | undefined): string {
  return next !== undefined && /^\/(?![/\\])[\x21-\x7e]*$/.test(next) ? next : '/';
}
