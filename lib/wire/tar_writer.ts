import { encodePax, type PaxRecords } from "./pax.ts";
import { BLOCK, encodeHeader, MAX_OCTAL } from "./tar_header.ts";

/** What goes into an archive under one path, beside its content. */
export interface TarMember {
  /** Relative, with `/` between names and none at the end. */
  readonly path: string;
  readonly kind: "file" | "directory" | "symlink";
  /** Of a file, in bytes; taken as 0 for what is none. */
  readonly size: number;
  readonly executable: boolean;
  /** In whole seconds, before 1970 too. */
  readonly mtime: number;
  /** Where a symlink leads. */
  readonly linkname: string;
}

const TYPEFLAGS = { file: "0", symlink: "2", directory: "5" } as const;

/** What ends an archive. */
export const TAR_END: Uint8Array<ArrayBuffer> = new Uint8Array(2 * BLOCK);

/**
 * What goes before a member's content: a header block of POSIX's ustar format, and before that, where
 * the block cannot hold a name, size or time exactly, an extended header (pax).
 *
 * User and group are 0 and have no names. Modes let the owner write, or else only root could unpack
 * files into a directory.
 */
export function tarHeader(member: TarMember): Uint8Array<ArrayBuffer> {
  const mtime = Math.min(Math.max(0, member.mtime), MAX_OCTAL);
  const header = encodeHeader({
    name: nameOf(member),
    mode: member.kind === "directory" || member.executable ? 0o755 : 0o644,
    size: sizeOf(member),
    mtime,
    typeflag: TYPEFLAGS[member.kind],
    linkname: member.linkname,
  });
  const records = recordsOf(member);
  if (records === undefined) return header;
  const pax = encodeHeader({
    name: "PaxHeader",
    mode: 0o644,
    size: records.length,
    mtime,
    typeflag: "x",
    linkname: "",
  });
  const all = new Uint8Array(2 * BLOCK + records.length + tarPadding(records.length));
  all.set(pax);
  all.set(records, BLOCK);
  all.set(header, all.length - BLOCK);
  return all;
}

/** How many zero bytes go after a content of `size` bytes. */
export function tarPadding(size: number): number {
  return (BLOCK - size % BLOCK) % BLOCK;
}

/** The exact size in bytes of an archive of these members. */
export function tarSize(members: Iterable<TarMember>): number {
  let all = TAR_END.length;
  for (const member of members) {
    const size = sizeOf(member);
    const records = recordsOf(member)?.length;
    all += BLOCK + size + tarPadding(size);
    if (records !== undefined) all += BLOCK + records + tarPadding(records);
  }
  return all;
}

function nameOf({ path, kind }: TarMember): string {
  return kind === "directory" ? `${path}/` : path;
}

function sizeOf({ kind, size }: TarMember): number {
  return kind === "file" ? size : 0;
}

/** The extended header that a member needs; undefined if it needs none. */
function recordsOf(member: TarMember): Uint8Array<ArrayBuffer> | undefined {
  const records: PaxRecords = {};
  const name = nameOf(member);
  if (!fits(name)) records.path = name;
  if (!fits(member.linkname)) records.linkpath = member.linkname;
  if (sizeOf(member) > MAX_OCTAL) records.size = member.size;
  if (member.mtime < 0 || member.mtime > MAX_OCTAL) records.mtime = member.mtime;
  return Object.keys(records).length === 0 ? undefined : encodePax(records);
}

/**
 * Whether a header block holds a name: at most 100 bytes of ASCII, for which reader takes other bytes
 * for which characters is not said. Names that could be halved are not: a record does for all.
 */
function fits(name: string): boolean {
  return name.length <= 100 && /^[\0-\x7f]*$/.test(name);
}
