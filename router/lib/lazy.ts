/** Values that are made when they are first needed, so that the start of the router does not wait for them. */

/** Returns a function that gives the value of `make`, which its first call makes. */
export function lazy<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
