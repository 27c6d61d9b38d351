/** What the bundler gives for an address of a worker. */
declare module "*?worker&url" {
  export const unused: never;
  const url: string;
  export default url;
}

/** Styles are imported for their effect. */
declare module "*.css" {}
