import { DOWNLOADING } from "./command_line.ts";

/** The second line of every wrapper: what is found to be one is never called by one. */
export const WRAPPER_MARK = "# 0share wrapper";

/** Programs of Zero Install that download implementations. */
export const WRAPPED = ["0install", "0launch"] as const;

export type Wrapped = typeof WRAPPED[number];

/** For a pattern of the shell: what is UTF-8 in any locale. A range is not the same in each. */
const PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789%+,./:=@_~\\ -";

/** What a wrapper calls. */
export interface WrapperTarget {
  /** The words of the command that runs this program, the first one an absolute path. */
  readonly command: readonly string[];
  /** Files besides the first word without which the command does not work. */
  readonly files: readonly string[];
  /** Options of `0share 0install`. */
  readonly options: readonly string[];
}

/**
 * A POSIX shell script that stands for `program` in a directory early on the PATH. It sends what
 * may download implementations through 0share and the rest straight to the real one behind it, by
 * `exec`; so it does with everything when 0share is gone, and with words that are not UTF-8, which
 * Deno cannot pass on. It starts no process of its own, but for `iconv` where words are not plain.
 */
export function wrapperText(program: Wrapped, target: WrapperTarget): string {
  const [share] = target.command;
  const usable = [
    `[ -x ${quote(share!)} ]`,
    ...target.files.map((file) => `[ -f ${quote(file)} ]`),
  ];
  const command = [...target.command, "0install", ...target.options].map(quote).join(" ");
  return `#!/bin/sh
${WRAPPER_MARK}
# Made by "0share wrap"; "0share wrap --remove" takes it away. Gets what ${program} would download
# from other machines of the local network first.

# Prints nothing; sets "found" to the next $1 on the PATH that is no wrapper.
find_real() {
  found=
  old_ifs=$IFS
  IFS=:
  set -f
  for directory in $PATH; do
    candidate=\${directory:-.}/$1
    [ -f "$candidate" ] && [ -x "$candidate" ] || continue
    second=
    { read -r first && read -r second; } 2>/dev/null <"$candidate"
    [ "$second" = "${WRAPPER_MARK}" ] && continue
    found=$candidate
    break
  done
  set +f
  IFS=$old_ifs
}

# Whether all words are known to be UTF-8: where there is no iconv, only plain ones are.
are_utf8() {
  case "$*" in
  *[!${PLAIN}]*)
    printf '%s\\n' "$@" | iconv -f UTF-8 -t UTF-16
    ;;
  esac
} >/dev/null 2>&1

# Becomes 0share, which calls $1 with the rest; returns when it could not, as not all is UTF-8.
through_0share() {
  are_utf8 "$PWD" "$HOME" "$PATH" "$@" || return
  real_0install=$1
  shift
  exec ${command} --real "$real_0install" --open-files "$(ulimit -n)" -- "$@"
}

find_real ${program}
if [ -z "$found" ]; then
  echo "${program}: not found behind the wrapper of 0share on the PATH" >&2
  exit 127
fi
real=$found
${usable.join(" && ")} || exec "$real" "$@"
${program === "0install" ? AS_0INSTALL : AS_0LAUNCH}
exec "$real" "$@"
`;
}

/** Options that may stand before the sub-command are skipped to find it. */
const AS_0INSTALL = `for word; do
  case $word in
  ${DOWNLOADING.join(" | ")})
    through_0share "$real" "$@"
    break
    ;;
  -[cgorv] | --console | --gui | --offline | --refresh | --verbose | --with-store=*) ;;
  *) break ;;
  esac
done`;

/** It is "0install run" by another name. */
const AS_0LAUNCH = `case \${1-} in
"" | -h | --help | -V | --version) ;;
*)
  find_real 0install
  [ -n "$found" ] && through_0share "$found" run "$@"
  ;;
esac`;

/** For the shell, whatever is in it. */
function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
