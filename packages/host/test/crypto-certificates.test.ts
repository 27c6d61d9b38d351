/** Our certificates against an independent X.509 reader and against the platform's. */
import "reflect-metadata";
import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { test } from "node:test";
import * as x509 from "@peculiar/x509";
import {
  certificateBackdateMs,
  certificateValidityMs,
  issueCertificate,
  makeCertificateAuthority,
} from "@ioi/host/crypto";

const authority = makeCertificateAuthority("ioi-boot");
const issued = issueCertificate(authority, "guardian");

test("the platform reads, links and verifies them", () => {
  const ca = new X509Certificate(authority.certificate);
  const leaf = new X509Certificate(issued.certificate);
  assert.equal(ca.ca, true);
  assert.equal(leaf.ca, false);
  assert.equal(ca.verify(ca.publicKey), true);
  assert.equal(leaf.verify(ca.publicKey), true);
  assert.equal(leaf.verify(leaf.publicKey), false);
  assert.equal(leaf.checkIssued(ca), true);
  assert.equal(leaf.subject, "CN=guardian");
  assert.equal(leaf.issuer, "CN=ioi-boot");
  assert.equal(leaf.subjectAltName, "DNS:guardian");
  assert.equal(leaf.checkHost("guardian"), "guardian");
  assert.equal(leaf.checkHost("workload"), undefined);
  assert.equal(leaf.publicKey.asymmetricKeyType, "ml-dsa-65");
  assert.equal(leaf.checkPrivateKey(createPrivateKey(issued.privateKey)), true);
  assert.deepEqual(leaf.keyUsage, ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
  const spread = Date.parse(leaf.validTo) - Date.now();
  assert.ok(spread > 0 && spread <= certificateValidityMs);
  assert.ok(Date.parse(leaf.validFrom) < Date.now());
});

test("an independent reader finds the same fields and the same bytes", () => {
  const ca = new x509.X509Certificate(authority.certificate);
  const leaf = new x509.X509Certificate(issued.certificate);
  assert.equal(leaf.subject, "CN=guardian");
  assert.equal(leaf.issuer, ca.subject);
  const basicCa = ca.getExtension(x509.BasicConstraintsExtension);
  assert.deepEqual([basicCa?.ca, basicCa?.pathLength, basicCa?.critical], [true, 0, true]);
  const basicLeaf = leaf.getExtension(x509.BasicConstraintsExtension);
  assert.deepEqual([basicLeaf?.ca, basicLeaf?.critical], [false, true]);
  assert.equal(ca.getExtension(x509.KeyUsagesExtension)?.usages, x509.KeyUsageFlags.keyCertSign);
  assert.equal(
    leaf.getExtension(x509.KeyUsagesExtension)?.usages,
    x509.KeyUsageFlags.digitalSignature,
  );
  const names = leaf.getExtension(x509.SubjectAlternativeNameExtension)?.names.toJSON();
  assert.deepEqual(names, [{ type: "dns", value: "guardian" }]);
  const caKeyId = ca.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId;
  assert.equal(leaf.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId, caKeyId);
  const key = createPublicKey(createPrivateKey(issued.privateKey));
  assert.deepEqual(
    Buffer.from(leaf.publicKey.rawData),
    key.export({ type: "spki", format: "der" }),
  );
  const reencoded = x509.PemConverter.encode(leaf.rawData, "CERTIFICATE").trim();
  assert.equal(reencoded, issued.certificate.trim());
});

test("no two certificates share a serial number or a key", () => {
  const all = Array.from({ length: 20 }, (_, i) => issueCertificate(authority, `p${i}`));
  const parsed = all.map(({ certificate }) => new X509Certificate(certificate));
  assert.equal(new Set(parsed.map(({ serialNumber }) => serialNumber)).size, 20);
  assert.equal(new Set(all.map(({ privateKey }) => privateKey)).size, 20);
  assert.ok(parsed.every(({ serialNumber }) => serialNumber.length === 32));
});

test("dates beyond 2049 take the long form", () => {
  const madeMs = Date.UTC(2045, 0, 2, 3, 4, 5);
  const late = authority.issue("guardian", madeMs);
  const leaf = new X509Certificate(late.certificate);
  assert.equal(Date.parse(leaf.validTo), madeMs + certificateValidityMs);
  assert.equal(Date.parse(leaf.validFrom), madeMs - certificateBackdateMs);
});

test("a name that is no process name is a bug", () => {
  for (const name of ["", "Guardian", "a.b", "a b", "x\0y", "*"]) {
    assert.throws(() => issueCertificate(authority, name), { name: "InvariantError" });
  }
});
