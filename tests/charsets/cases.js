// Writes texts in every charset, each with what npm's text-encoding makes of it, for compare.cpp.
// usage: node cases.js FOLDER [--digests]. FOLDER holds the package. --digests: writes the rows of the
// table in tests/unit/text_test.cpp, instead.
'use strict';

const fs = require('fs');
const path = require('path');

const [folder, mode] = process.argv.slice(2);
const file = name => path.resolve(folder, 'lib', name);

// The Encoding Standard has changed since the package's version 0.7.0, as follows.

// 1. GB 18030 of 2022 has these characters outside the private use area.
const indexes = require(file('encoding-indexes.js'))['encoding-indexes'];
const gb18030Since = {
  7182: 0xFE10, 7183: 0xFE12, 7184: 0xFE11, 7185: 0xFE13, 7186: 0xFE14, 7187: 0xFE15,
  7188: 0xFE16, 7201: 0xFE17, 7202: 0xFE18, 7208: 0xFE19, 23775: 0x9FB4, 23783: 0x9FB5,
  23788: 0x9FB6, 23789: 0x9FB7, 23795: 0x9FB8, 23812: 0x9FB9, 23829: 0x9FBA, 23845: 0x9FBB,
};
indexes['iso-8859-8-i'] = indexes['iso-8859-8'];  // The package forgets it.
for (const pointer in gb18030Since) indexes.gb18030[pointer] = gb18030Since[pointer];

// 2. Four bytes of GB 18030 without a character are one error; and where the package was never what the
// Standard says: a byte that is no ASCII is not read again after an error, an ASCII byte is, and
// ISO-2022-JP goes on as before when what follows ESC is not known.
const source = fs.readFileSync(file('encoding.js'), 'utf8');
const amended = [
  [/(?=stream.prepend\(buffer\))/, 'if (!inRange(bite, 0x30, 0x39)) '],
  [/if \(!inRange\(bite, 0xA1, 0xFE\)\)(?=\s+stream.prepend)/, 'if (code_point === null && isASCIIByte(bite))'],
  [/if \(pointer === null && isASCIIByte\(bite\)\)/, 'if (code_point === null && isASCIIByte(bite))'],
  [/iso2022jp_decoder_state = iso2022jp_decoder_state = state/, 'iso2022jp_decoder_state = iso2022jp_decoder_output_state = state'],
].reduce((text, [from, to]) => {
  if (text.split(from).length !== 2) throw Error(`This is another version of text-encoding: ${from}`);
  return text.replace(from, to);
}, source);
const standard = {exports: {}};
new Function('module', 'require', amended).call(standard.exports, standard, () => ({'encoding-indexes': indexes}));

// 3. There are more labels.
const labelsSince = {
  'UTF-8': ['unicode11utf8', 'unicode20utf8', 'x-unicode20utf8'],
  'UTF-16LE': ['csunicode', 'iso-10646-ucs-2', 'ucs-2', 'unicode', 'unicodefeff'],
  'UTF-16BE': ['unicodefffe'],
  'replacement': ['replacement'],
};
const begin = source.indexOf('var encodings = [') + 'var encodings = '.length;
const encodings = eval(source.slice(begin, source.indexOf('];', begin) + 1)).flatMap(group => group.encodings);
for (const {name, labels} of encodings) labels.push(...labelsSince[name] || []);

const marks = [[[0xEF, 0xBB, 0xBF], 'utf-8'], [[0xFF, 0xFE], 'utf-16le'], [[0xFE, 0xFF], 'utf-16be']];
const decoders = {};

/** What the Standard's "decode" makes of the bytes (its section 6); null for an error. */
function decode(name, bytes) {
  for (const [mark, marked] of marks)
    if (mark.every((byte, i) => bytes[i] === byte)) return decode(marked, bytes.subarray(mark.length));
  if (name === 'replacement') return null;
  decoders[name] ||= new standard.exports.TextDecoder(name, {ignoreBOM: true});
  return Buffer.from(decoders[name].decode(new Uint8Array(bytes)));
}

const range = (first, last) => Array.from({length: last - first + 1}, (_, i) => first + i);

/** Two bytes after each beginning, in lines: a text for each beginning and first byte. */
function* pairs(name, first = 0) {
  const beginnings = {
    'EUC-JP': [[], [0x8F]],
    'ISO-2022-JP': ['(B', '(J', '(I', '$@', '$B'].map(escape => [0x1B, ...Buffer.from(escape)]),
  }[name] || [[]];
  for (const beginning of beginnings)
    for (const lead of range(first, 255))
      yield Buffer.from(range(0, 255).flatMap(trail => [...beginning, lead, trail, 0x0A]));
}

/** GB 18030's characters of four bytes. */
function* fourBytes(leads) {
  for (const lead of leads)
    for (const second of range(0x30, 0x39))
      yield Buffer.from(range(0x81, 0xFE).flatMap(third =>
        range(0x30, 0x39).flatMap(fourth => [lead, second, third, fourth, 0x0A])));
}

/** Short texts, so that their end counts: each byte, each two, and many that chance makes. */
function* short(name) {
  for (const first of range(0, 255)) {
    yield Buffer.from([first]);
    if (indexes[name.toLowerCase()]?.length === 128) continue;  // A byte is a character.
    for (const second of range(0, 255)) yield Buffer.from([first, second]);
  }
  let seed = 1;
  const random = n => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return (seed >>> 8) % n;
  };
  const common = [...Buffer.from('0159AB~\\\x0E\x1B$(@BJI'), 0x80, 0x81, 0x8E, 0x8F, 0xA0, 0xA1, 0xD8, 0xDC, 0xE3, 0xFE, 0xFF];
  const escapes = ['\x1B(B', '\x1B(J', '\x1B(I', '\x1B$@', '\x1B$B', '\x1B$', '\x1B('];
  for (let i = 0; i < 30000; ++i) {
    const bytes = [];
    for (let n = random(9); n > 0; --n) {
      const kind = random(name === 'ISO-2022-JP' ? 4 : 3);
      if (kind === 0) bytes.push(random(256));
      if (kind === 1) bytes.push(common[random(common.length)]);
      if (kind === 2) bytes.push((name === 'ISO-2022-JP' ? 0x21 : 0xA1) + random(94));
      if (kind === 3) bytes.push(...Buffer.from(escapes[random(escapes.length)]));
    }
    yield Buffer.from(bytes);
  }
}

function* texts(name) {
  yield* pairs(name);
  if (name === 'gb18030') yield* fourBytes(range(0x81, 0xFE));
  yield* short(name);
}

function length(n) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(n);
  return bytes;
}

function writeCases() {
  let parts = [];
  const flush = () => {
    const bytes = Buffer.concat(parts);
    for (let at = 0; at < bytes.length;) at += fs.writeSync(1, bytes, at);
    parts = [];
  };
  for (const {name, labels} of encodings) {
    const write = (label, bytes, text) => {
      parts.push(length(label.length), Buffer.from(label), length(bytes.length), bytes);
      parts.push(text ? Buffer.concat([length(text.length), text]) : length(0xFFFFFFFF));
      if (parts.length > 10000) flush();
    };
    for (const bytes of texts(name)) write(name, bytes, decode(name, bytes));
    let i = 0;
    for (const bytes of pairs(name))
      if (i++ % 16 === 1) for (const label of labels) write(label, bytes, decode(name, bytes));
  }
  flush();
}

/** FNV-1a, 64 bits. */
function digest(name) {
  let hash = 0xCBF29CE484222325n;
  const add = bytes => {
    for (const byte of decode(name, bytes)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001B3n);
  };
  // Elsewhere, ASCII is ASCII.
  for (const bytes of pairs(name, /^UTF-16|ISO-2022-JP/.test(name) ? 0 : 0x80)) add(bytes);
  if (name === 'gb18030') for (const bytes of fourBytes([0x81, 0x82, 0x83, 0x84, 0x85, 0x90, 0xE3, 0xFE])) add(bytes);
  return `0x${hash.toString(16).toUpperCase().padStart(16, '0')}`;
}

function writeDigests() {
  for (const {name, labels} of encodings)
    console.log(`    {"${labels.join(' ')}", ${name === 'replacement' ? 0 : digest(name)}},`);
}

if (mode === '--digests') writeDigests();
else writeCases();
