/** Nominal types. Each brand is minted in exactly one function. */
declare const brand: unique symbol;
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
