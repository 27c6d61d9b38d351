#!/usr/bin/env node
/** The program `ioi-verify`. */
import { run } from "./verify.ts";

const { exit, stdout, stderr } = run(process.argv.slice(2));
if (stdout !== undefined) process.stdout.write(stdout);
if (stderr !== undefined) process.stderr.write(stderr);
process.exitCode = exit;
