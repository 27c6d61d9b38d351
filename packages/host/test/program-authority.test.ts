/** The authority of one program: what OpenSSL and another library make of it, and what it refuses. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test, type TestContext } from "node:test";
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { ProgramAuthority } from "../src/crypto/index.ts";

const verify = (
  t: TestContext,
  authority: string,
  leaf: string,
  more: readonly string[],
): string => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "ioi-authority-"));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const file = (name: string, text: string): string => {
    fs.writeFileSync(path.join(folder, name), text);
    return path.join(folder, name);
  };
  const ca = file("ca.pem", authority);
  const { stdout, stderr } = spawnSync(
    "openssl",
    ["verify", "-x509_strict", "-no-CApath", "-CAfile", ca, ...more, file("leaf.pem", leaf)],
    { encoding: "utf8" },
  );
  return stdout + stderr;
};

test("OpenSSL believes its leaves for their hosts, and those of no other authority", (t) => {
  const hosts = ["api.example.com", "127.0.0.1", "2001:db8::1"];
  const authority = new ProgramAuthority("one program", hosts);
  const other = new ProgramAuthority("one program", hosts);
  for (const host of hosts) {
    const leaf = authority.credentialsFor(host)?.certificate ?? "";
    const named = host.includes("example") ? ["-verify_hostname", host] : ["-verify_ip", host];
    assert.match(verify(t, authority.certificate, leaf, named), /: OK/, host);
    assert.doesNotMatch(verify(t, other.certificate, leaf, named), /: OK/);
  }
  const leaf = authority.credentialsFor("api.example.com")?.certificate ?? "";
  const wrong = ["-verify_hostname", "www.example.com"];
  assert.match(verify(t, authority.certificate, leaf, wrong), /hostname mismatch/i);
});

test("it certifies what it was made for, and its certificate says so", () => {
  const authority = new ProgramAuthority("one program", ["a.example", "192.0.2.7"]);
  assert.equal(authority.credentialsFor("b.example"), undefined);
  assert.equal(authority.credentialsFor("a.example"), authority.credentialsFor("a.example"));
  const read = new x509.X509Certificate(authority.certificate);
  const basic = read.getExtension(x509.BasicConstraintsExtension);
  assert.deepEqual([basic?.ca, basic?.pathLength, basic?.critical], [true, 0, true]);
  assert.equal(read.getExtension("2.5.29.30")?.critical, true);
  const leaf = new x509.X509Certificate(authority.credentialsFor("192.0.2.7")?.certificate ?? "");
  const names = leaf.getExtension(x509.SubjectAlternativeNameExtension)?.names.toJSON();
  assert.deepEqual(names, [{ type: "ip", value: "192.0.2.7" }]);
});
