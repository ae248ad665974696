/**
 * The parts of the style sheet and of the script. A page loads each as one file, because each file costs it a request:
 * `router/web/answers/assets.ts` joins them.
 */

/** The style sheets in `assets/styles`. Of two rules in one layer that are equally specific, the later one wins. */
export const styles = [
  'base',
  'controls',
  'tabs',
  'fields',
  'cards',
  'credentials',
  'menus',
  'code',
  'prose',
  'sidebar',
  'search',
  'layout',
  'entrance',
  'messages',
  'steps',
  'attachments',
  'composer',
  'greeting',
  'usage',
  'tables',
  'budgets',
  'runner',
  'files',
  'schedules',
  'reference',
  'forced',
  'print',
];

/** The style sheet that they are. */
export const STYLES = 'styles.css';

/** The scripts in `assets/app`, each behind those that it imports from. */
export const scripts = [
  'page',
  'theme-choice',
  'notify-when-wanted',
  'copy',
  'fields',
  'tabs',
  'attachments',
  'drop',
  'times',
  'length',
  'conversations',
  'search',
  'keys',
  'menus',
  'place',
  'follow',
  'selection',
  'composer',
  'growth',
  'steps',
  'stream',
  'swap',
  'kept',
  'after-paint',
];

/** The script that they are. */
export const SCRIPT = 'app.js';

/** htmx with its extension for streams. */
export const HTMX = 'htmx.js';
