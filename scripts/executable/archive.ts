/** The files that the executable brings along. `build.ts` replaces this module. */
export const archive = {
  /** Path of a JSON object: path of a file → its content in Base64. */
  file: '',
  /** Changes with the content. */
  key: '',
};
