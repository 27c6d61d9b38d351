/** Reads the machine's certificate authorities and ends: see `authorities.ts`. */
import tls from "node:tls";
import { parentPort } from "node:worker_threads";

const plain = (pem: string): string => pem.replaceAll(/\s/g, "");

const known = new Set(tls.rootCertificates.map(plain));
const found: string[] = [];
for (const pem of tls.getCACertificates("system")) {
  const text = plain(pem);
  if (known.has(text)) continue;
  known.add(text);
  found.push(pem);
}
parentPort?.postMessage(found);
