/** A secret that a server sends back stays here. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@ioi/base";
import { Mask } from "../src/mask.ts";
import { fetchWith, ok, rawServer, requestOf, worldOf } from "./support.ts";

const seed = process.env["IOI_TEST_SEED"] ?? "mask-1";
const secret = "sk-live-0123456789abcdef";
const bearer = `Bearer ${secret}`;

const through = (mask: Mask, pieces: readonly Uint8Array[]): string =>
  Buffer.concat([...pieces.map((each) => mask.push(each)), mask.end()]).toString("latin1");

const cut = (text: string, at: readonly number[]): readonly Uint8Array[] => {
  const bytes = Buffer.from(text, "latin1");
  const ends = [...at, bytes.length];
  return ends.map((end, index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], end));
};

test("the value and its token are masked at their length, in one piece and in many", (t) => {
  t.diagnostic(`seed ${seed}`);
  const body = `you sent ${bearer}; that is ${secret}, or sk-live-01234 of it`;
  const wanted = `you sent ${"[secret]".padEnd(bearer.length, "*")}; that is ${"[secret]".padEnd(secret.length, "*")}, or sk-live-01234 of it`;
  assert.equal(through(new Mask([bearer]), [Buffer.from(body)]), wanted);
  const random = new SeededRandom(seed);
  for (let round = 0; round < 500; round++) {
    const cuts = Array.from({ length: random.below(12) }, () => random.below(body.length + 1));
    const pieces = cut(
      body,
      cuts.toSorted((a, b) => a - b),
    );
    assert.equal(through(new Mask([bearer]), pieces), wanted, `round ${round}: ${cuts.join(" ")}`);
  }
  // The control: without the lease it passes as it is.
  assert.equal(through(new Mask([]), [Buffer.from(body)]), body);
});

test("a body that ends within a secret does not show its beginning", () => {
  const mask = new Mask([bearer]);
  assert.equal(through(mask, [Buffer.from(`x ${secret.slice(0, 20)}`)]), "x [secret]************");
  assert.equal(through(new Mask([bearer]), [Buffer.from("x sk-li")]), "x sk-li");
});

test("nothing else is held back or changed: bytes of any kind, short values, look-alikes", () => {
  const bytes = Buffer.from(Array.from({ length: 4096 }, (_, at) => (at * 7) % 256));
  assert.equal(through(new Mask([bearer]), [bytes]), bytes.toString("latin1"));
  assert.equal(through(new Mask(["abc"]), [Buffer.from("abc abc")]), "abc abc");
  const mask = new Mask([bearer]);
  assert.equal(Buffer.from(mask.push(Buffer.from("no beginning"))).toString(), "no beginning");
  assert.equal(mask.text("sk-live-0123456789abcdeX"), "sk-live-0123456789abcdeX");
  assert.equal(
    new Mask(["a+b/c==longer"]).text("?k=a%2Bb%2Fc%3D%3Dlonger&"),
    "?k=[secret]*************&",
  );
});

test("a server that echoes what it got gives the driver a mask, in headers and body", async () => {
  const echo = async (headers: readonly { name: string; value: string }[]) => {
    await using server = await rawServer((socket, head) => {
      const sent = /authorization: (.*)\r\n/i.exec(head)?.[1] ?? "none";
      const reply = ok(`you sent ${sent}`, `x-echo: ${sent}\r\nx-${secret}: 1\r\n`);
      // In two writes, cut within the secret.
      const at = reply.lastIndexOf(sent) + 12;
      socket.write(reply.slice(0, at), () => socket.end(reply.slice(at)));
    });
    const url = `http://127.0.0.1:${server.port}/`;
    const world = worldOf({ classes: ["loopback"], headers });
    const answer = await fetchWith(world, requestOf({ url }));
    return { answer, got: server.received };
  };
  const { answer, got } = await echo([{ name: "authorization", value: bearer }]);
  assert.ok(got.includes(bearer), "the control: the server did get it");
  const shown = "[secret]".padEnd(bearer.length, "*");
  assert.equal(answer.body, `you sent ${shown}`);
  assert.equal(answer.headers["x-echo"], shown);
  assert.ok(!JSON.stringify(answer.headers).includes(secret));
});
