/** Feeds in the shapes that real ones have, and digests to put into them. */

import type { Digest } from "../../lib/manifest/digest.ts";

export const NAMESPACE = "http://zero-install.sourceforge.net/2004/injector/interface";

/** Digests that differ by `seed`, which is a digit from 2 to 7. */
export function digests(seed: number): {
  sha1: Digest;
  sha1new: Digest;
  sha256: Digest;
  sha256new: Digest;
} {
  const digit = String(seed);
  return {
    sha1: `sha1=${digit.repeat(39)}a` as Digest,
    sha1new: `sha1new=${digit.repeat(39)}b` as Digest,
    sha256: `sha256=${digit.repeat(63)}c` as Digest,
    sha256new: `sha256new_${digit.repeat(51)}A` as Digest,
  };
}

/** The value of a digest, as it stands in an attribute. */
export function value(digest: Digest): string {
  return digest.slice(digest.search(/[=_]/) + 1);
}

/** The comment that a signature is in, behind the document. */
export const SIGNATURE = `<!-- Base64 Signature
iQEzBAABCAAdFiEE0123456789abcdefABCDEFGHIJKLMNOPQRSTUFAl8AAAAACgkQ
=abcd
-->
`;

/** A signed feed. @param body what stands behind the name */
export function feed(body: string, options: { name?: string; uri?: string } = {}): string {
  const { name = "Editor", uri = "http://example.com/editor.xml" } = options;
  return `<?xml version="1.0" ?>
<?xml-stylesheet type='text/xsl' href='interface.xsl'?>
<interface min-injector-version="0.48" uri="${uri}" xmlns="${NAMESPACE}">
  <name>${name}</name>
  <summary xml:lang="en">writes texts</summary>
  <summary xml:lang="de">schreibt Texte</summary>
  <description>Fast &amp; small, without &lt;fuss&gt;</description>
  <icon href="http://example.com/editor.png" type="image/png"/>
  ${body}
</interface>
${SIGNATURE}`;
}

export function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
