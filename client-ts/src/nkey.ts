// NATS's text form of a user's public key (github.com/nats-io/nkeys): base32 (RFC 4648 section 6, without padding) of a
// prefix byte, the 32 bytes of the Ed25519 key and their CRC-16. Libraries for nkeys make keys of seeds, which a browser's
// unextractable key has none of; of all they do, this is what a device needs.

/** The prefix of a user, which makes "U" the first letter. */
const USER = 20 << 3;
const KEY_BYTES = 32;
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** The user nkey (U…) of an Ed25519 public key of 32 bytes. */
export function userNkey(publicKey: Uint8Array): string {
  if (publicKey.length !== KEY_BYTES) throw new RangeError(`want a public key of ${KEY_BYTES} bytes, got ${publicKey.length}`);
  const bytes = new Uint8Array(1 + KEY_BYTES + 2);
  bytes[0] = USER;
  bytes.set(publicKey, 1);
  const crc = crc16(bytes.subarray(0, 1 + KEY_BYTES));
  bytes[1 + KEY_BYTES] = crc & 0xff; // little endian
  bytes[2 + KEY_BYTES] = crc >> 8;
  return base32(bytes);
}

/** RFC 4648 section 5, without padding. */
export function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

// crc16 is CRC-16/XMODEM: polynomial 0x1021, from 0.
function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let i = 0; i < 8; i++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc;
}

function base32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    for (; bits >= 5; bits -= 5) text += ALPHABET[(held >> (bits - 5)) & 31];
    held &= (1 << bits) - 1;
  }
  return bits > 0 ? text + ALPHABET[(held << (5 - bits)) & 31] : text;
}
