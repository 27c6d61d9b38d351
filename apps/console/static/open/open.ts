/**
 * Redeems the token of a one-time link. It stands behind the `#`, so that it is in no request and no
 * log, and is gone from the address before anything else happens.
 */
const said = document.getElementById("said");

const say = (text: string): void => {
  if (said !== null) said.textContent = text;
};

const redeem = async (): Promise<void> => {
  const token = location.hash.slice(1);
  history.replaceState(null, "", "/open");
  if (token === "") {
    say("This address holds no link. Type ./ioi open in a terminal.");
    return;
  }
  const response = await fetch("/redeem", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ token }),
  });
  if (response.ok) location.replace("/");
  else say("This link was used already, or is older than a minute. Type ./ioi open for another.");
};

redeem().catch(() => say("The console does not answer. Is the kernel running? ./ioi status"));
