/** The platform's WHATWG URL parser, as pure code takes it. */
export const parseUrl = (text: string): URL | undefined => URL.parse(text) ?? undefined;
