/** What a start need not wait for. */

/** Returns a value that `make` makes, when it is asked for first. */
export function lazy<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
