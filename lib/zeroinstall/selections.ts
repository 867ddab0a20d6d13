import type { XmlElement } from "@rgrove/parse-xml";
import { InvalidDocument } from "../errors.ts";
import { type Algorithm, ALGORITHMS, type Digest, isDigest } from "../manifest/digest.ts";
import { parseRoot, plainLines } from "./xml.ts";

/** Selections of a program with a thousand libraries have 1 MB. */
const MAX_CHARACTERS = 16 << 20;

/** One version that Zero Install has chosen. */
export interface Selection {
  readonly id: string;
  readonly interface: string;
  readonly version: string;
  /**
   * Names of its tree, preferred first; empty for what comes from elsewhere: a distribution's
   * package, a directory of a local feed, a digest of an algorithm that is not known here.
   */
  readonly digests: readonly Digest[];
}

/** What Zero Install has chosen to run a program: the document of `0install select --xml`. */
export class Selections {
  readonly #text: string;
  readonly #elements: ReadonlyMap<Selection, XmlElement>;

  private constructor(text: string, elements: ReadonlyMap<Selection, XmlElement>) {
    this.#text = text;
    this.#elements = elements;
  }

  /**
   * Reads a selections document.
   *
   * @param what what to call it in an error
   * @throws InvalidDocument
   */
  static parse(text: string, what = "selections"): Selections {
    if (text.length > MAX_CHARACTERS) {
      throw new InvalidDocument(what, `it has more than ${MAX_CHARACTERS} characters`);
    }
    const lines = plainLines(text);
    const root = parseRoot(lines, what, { includeOffsets: true });
    if (root.name !== "selections") {
      throw new InvalidDocument(what, `expected <selections>, found <${root.name}>`);
    }
    const elements = childElements(root, "selection").map((
      element,
    ): [Selection, XmlElement] => [selectionOf(element), element]);
    return new Selections(lines, new Map(elements));
  }

  /** In the order of the document. */
  get all(): Selection[] {
    return [...this.#elements.keys()];
  }

  /** The same document with only some of the selections: to the byte, but for those left out. */
  only(chosen: ReadonlySet<Selection>): string {
    let text = "";
    let at = 0;
    for (const [selection, { start, end }] of this.#elements) {
      if (chosen.has(selection)) continue;
      text += this.#text.slice(at, start);
      at = end;
    }
    return text + this.#text.slice(at);
  }
}

function childElements(parent: XmlElement, name: string): XmlElement[] {
  return parent.children.filter((node): node is XmlElement =>
    node.type === "element" && (node as XmlElement).name === name
  );
}

function selectionOf(element: XmlElement): Selection {
  const { attributes } = element;
  const id = attributes["id"] ?? "";
  return {
    id,
    interface: attributes["interface"] ?? "",
    version: attributes["version"] ?? "",
    digests: isElsewhere(element, id) ? [] : digestsOf(element, id),
  };
}

/** A package of the distribution, or a directory of this machine. */
function isElsewhere({ attributes }: XmlElement, id: string): boolean {
  return attributes["local-path"] !== undefined || attributes["package"] !== undefined ||
    id.startsWith("package:") || id.startsWith("/") || id.startsWith(".");
}

/** As Zero Install finds them: in `<manifest-digest>`, and in the id for feeds from before that. */
function digestsOf(element: XmlElement, id: string): Digest[] {
  const found = new Map<Algorithm, Digest>();
  for (const { attributes } of childElements(element, "manifest-digest")) {
    for (const algorithm of ALGORITHMS) {
      const separator = algorithm === "sha256new" ? "_" : "=";
      const name = `${algorithm}${separator}${attributes[algorithm] ?? ""}`;
      if (isDigest(name) && !found.has(algorithm)) found.set(algorithm, name);
    }
  }
  const names = ALGORITHMS.flatMap((algorithm) => found.get(algorithm) ?? []);
  return names.length === 0 && isDigest(id) ? [id] : names;
}
