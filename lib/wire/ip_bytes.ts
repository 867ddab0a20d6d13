/**
 * The bytes of an IP address; 4 of an IPv4 and 16 of an IPv6 address, whose scope is left out.
 *
 * @returns undefined for what is no address
 */
export function bytesOfAddress(address: string): Uint8Array<ArrayBuffer> | undefined {
  const plain = address.replace(/%.*$/, "");
  if (!plain.includes(":")) return bytesOfIPv4(plain);
  // RFC 4291, section 2.2: the last 32 bits may be written as an IPv4 address.
  const [, head, tail] = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(plain) ?? [plain, plain, undefined];
  const last = tail === undefined ? undefined : bytesOfIPv4(tail);
  if (tail !== undefined && last === undefined) return undefined;
  const text = last === undefined
    ? head!
    : `${head}${hex(last[0]! << 8 | last[1]!)}:${hex(last[2]! << 8 | last[3]!)}`;
  const [front, back, ...more] = text.split("::").map((part) => part === "" ? [] : part.split(":"));
  const given = [...front!, ...back ?? []];
  if (more.length > 0 || !given.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  if (back === undefined ? given.length !== 8 : given.length > 7) return undefined;
  const gap = Array.from({ length: 8 - given.length }, () => "0");
  const groups = [...front!, ...gap, ...back ?? []].map((group) => parseInt(group, 16));
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

/** An address as the system writes it (RFC 5952). @throws RangeError unless there are 4 or 16 bytes */
export function addressOfBytes(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) throw new RangeError(`Cannot read an address of ${bytes.length} bytes`);
  const groups = Array.from({ length: 8 }, (_, at) => bytes[2 * at]! << 8 | bytes[2 * at + 1]!);
  let gap = { start: 0, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > gap.length) gap = { start, length };
  }
  const text = (part: readonly number[]) => part.map(hex).join(":");
  if (gap.length < 2) return text(groups);
  return `${text(groups.slice(0, gap.start))}::${text(groups.slice(gap.start + gap.length))}`;
}

function bytesOfIPv4(text: string): Uint8Array<ArrayBuffer> | undefined {
  const parts = text.split(".");
  const valid = parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part)) &&
    parts.every((part) => Number(part) < 256);
  return valid ? Uint8Array.from(parts, Number) : undefined;
}

function hex(group: number): string {
  return group.toString(16);
}
