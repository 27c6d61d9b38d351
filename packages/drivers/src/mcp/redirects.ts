/** What a client is told of a redirect that is not followed, and what its person can do. Pure. */
import { type CanonicalUrl, hostWithPort, type Redirect, sameOrigin } from "@ioi/firewall/net";

/** Characters of an address that a server named. */
export const redirectCharsShown = 256;

/** Without its query, and so that it can stand between quotes in a shell. */
const shown = (url: CanonicalUrl): string => {
  const origin = `${url.scheme}://${hostWithPort(url)}`;
  const whole = origin + url.path.replaceAll("'", "%27");
  return whole.length <= redirectCharsShown ? whole : `${origin}/`;
};

export const redirectText = (
  name: string,
  status: number,
  redirect: Redirect,
  from: CanonicalUrl,
): string => {
  const answers = `${name} answers ${status}:`;
  switch (redirect.type) {
    case "nowhere":
      return `${answers} ${redirect.why}`;
    case "same":
      return `${answers} it sends a message on twice; its address is now ${shown(redirect.url)}`;
    case "other": {
      const to = shown(redirect.url);
      const what = sameOrigin(redirect.url, from) ? "another request" : "another server";
      return (
        `${answers} it points to ${to}, which is ${what}; a person confirms it: ` +
        `./ioi mcp add OTHER --url '${to}', or in its place: ./ioi mcp add ${name} --replace --url '${to}'`
      );
    }
  }
};
