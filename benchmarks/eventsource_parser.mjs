// eventsource-parser as its users must use it: text out of a streaming TextDecoder, JSON.parse, base64 to bytes.
//
//     node eventsource_parser.mjs FOLDER-OF-THE-PACKAGE
//
// A worker of alone.py, in the manner of parsers.py: for each line of JSON on standard input, {"go": passes, "file":
// reads}, it answers with one line: the CPU seconds of each pass (user and system, all threads of the process, so that
// V8's compiler and collector count), and the SHA-256 of each pass's pictures, one after another. Hashing is not timed;
// nor is what the collector does meanwhile, which is to the good of this contender.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const folder = process.argv[2];
const { exports: entries } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
const entry = entries["."].import ?? entries["."].default;
const { createParser } = await import(pathToFileURL(join(folder, entry)).href);

// A file of reads: each with its length before it, four bytes, big-endian.
function load(file) {
  const content = readFileSync(file);
  const reads = [];
  for (let at = 0; at < content.length; ) {
    const end = at + 4 + content.readUInt32BE(at);
    reads.push(Uint8Array.prototype.slice.call(content, at + 4, end)); // memory of its own, as a socket's read has
    at = end;
  }
  return reads;
}

function parse(reads) {
  const images = [];
  const decoder = new TextDecoder("utf-8");
  const parser = createParser({
    onEvent: (event) => images.push(Buffer.from(JSON.parse(event.data).image, "base64")),
  });
  for (const read of reads) parser.feed(decoder.decode(read, { stream: true }));
  parser.feed(decoder.decode());
  return images;
}

function digest(images) {
  const hash = createHash("sha256");
  for (const image of images) hash.update(image);
  return hash.digest("hex");
}

const loaded = new Map();
for await (const line of createInterface({ input: process.stdin })) {
  const { go, file } = JSON.parse(line);
  if (!loaded.has(file)) loaded.set(file, load(file));
  const reads = loaded.get(file);
  const seconds = [];
  const digests = [];
  for (let pass = 0; pass < go; pass++) {
    const before = process.cpuUsage();
    const images = parse(reads);
    const used = process.cpuUsage(before);
    seconds.push((used.user + used.system) / 1e6);
    digests.push(digest(images));
  }
  console.log(JSON.stringify({ seconds, digests }));
}
