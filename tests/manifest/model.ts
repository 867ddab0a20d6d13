import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { type Algorithm, hashNameOf } from "../../lib/manifest/digest.ts";
import type { Entry } from "../../lib/manifest/entry.ts";
import type { Manifest } from "../../lib/manifest/manifest.ts";

/** The same manifest with all of its entries made: what `formatManifest` has to write out. */
export function plain(manifest: Manifest): Manifest & { readonly entries: readonly Entry[] } {
  return { ...manifest, entries: [...manifest.entries] };
}

/** A tree as a nested structure, and its manifest's lines told from the specification alone. */
export type Model = Readonly<Record<string, Item>>;

export type Item =
  | {
    readonly kind: "file";
    readonly content: string;
    readonly mtime: number;
    readonly executable: boolean;
  }
  | { readonly kind: "symlink"; readonly target: string }
  | { readonly kind: "directory"; readonly mtime: number; readonly items: Model };

/** Few, so that names often meet, and nothing that one file system takes for another's name. */
export const FEW_NAMES = fc.constantFrom(
  ..."a b c ab a-b a.b a~ b\u00e4 \uff5e \u{1f600} z".split(" "),
  "a b",
  " ",
);

/** Any that a manifest can hold. */
export const ANY_NAME = fc.string({ unit: "binary", minLength: 1, maxLength: 6 }).filter((name) =>
  !/[\0/\n]/.test(name) && name !== "." && name !== ".." && name !== ".manifest"
);

export function models(
  names: fc.Arbitrary<string>,
  options: { mtimes?: fc.Arbitrary<number> } = {},
): fc.Arbitrary<Model> {
  const mtime = options.mtimes ?? fc.maxSafeInteger();
  const file = fc.record({
    kind: fc.constant("file" as const),
    content: fc.string({ maxLength: 3 }),
    mtime,
    executable: fc.boolean(),
  });
  const symlink = fc.record({
    kind: fc.constant("symlink" as const),
    target: fc.constantFrom("x", "../y", "\u00e9", "a"),
  });
  const { model } = fc.letrec<{ model: Model; item: Item }>((tie) => ({
    item: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      file,
      symlink,
      fc.record({ kind: fc.constant("directory" as const), mtime, items: tie("model") }),
    ),
    model: fc.uniqueArray(fc.tuple(names, tie("item")), {
      selector: ([name]) => name,
      maxLength: 6,
    }).map((items) => Object.fromEntries(items)),
  }));
  return model;
}

/** The entries of a manifest of the model, in the order of the algorithm's format. */
export function entriesOf(algorithm: Algorithm, model: Model, directory = ""): Entry[] {
  const sorted = Object.entries(model).sort(([a], [b]) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b))
  );
  if (algorithm === "sha1") {
    return sorted.flatMap(([name, item]) => entryOf(algorithm, name, item, directory));
  }
  const [files, directories] = [false, true].map((wanted) =>
    sorted.filter(([, item]) => (item.kind === "directory") === wanted)
  );
  return [...files!, ...directories!].flatMap(([name, item]) =>
    entryOf(algorithm, name, item, directory)
  );
}

function entryOf(algorithm: Algorithm, name: string, item: Item, directory: string): Entry[] {
  const sum = (text: string) => createHash(hashNameOf(algorithm)).update(text).digest("hex");
  switch (item.kind) {
    case "file": {
      const { kind, mtime, executable, content } = item;
      const size = Buffer.byteLength(content);
      return [{ kind, directory, name, hash: sum(content), size, mtime, executable }];
    }
    case "symlink": {
      const size = Buffer.byteLength(item.target);
      return [{ kind: "symlink", directory, name, hash: sum(item.target), size }];
    }
    case "directory": {
      const path = directory === "" ? name : `${directory}/${name}`;
      const mtime = algorithm === "sha1" ? { mtime: item.mtime } : {};
      return [
        { kind: "directory", directory, name, ...mtime },
        ...entriesOf(algorithm, item.items, path),
      ];
    }
  }
}
