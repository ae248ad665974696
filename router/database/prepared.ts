/** Statements that every call uses. */

/**
 * Returns the statements that `make` prepares, made by the first call that needs one: Drizzle takes half a millisecond to build
 * one, which a start need not wait for.
 */
export function prepared<Statements>(make: () => Statements): () => Statements {
  let made: Statements | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
