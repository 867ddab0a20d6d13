import { parseXml, XmlElement, XmlError, XmlText } from "@rgrove/parse-xml";
import { InvalidDocument } from "../errors.ts";

/** The namespace of feeds and selections. */
export const ZERO_INSTALL = "http://zero-install.sourceforge.net/2004/injector/interface";

/**
 * Larger documents are refused: several times the largest feed that is known. Parsing takes a tenth
 * of a second and 25 MB of memory for each MB.
 */
export const MAX_XML_BYTES = 16 * 1024 * 1024;

/** Further prefixes are not known: real documents have three, and each costs time at every element. */
const MAX_PREFIXES = 64;

/** An element, its name resolved to the namespace that its prefix stands for. */
export interface Element {
  /** Without the prefix. */
  readonly name: string;
  /** "" for none. */
  readonly namespace: string;
  /** Those without a prefix. The object has no prototype. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Child elements of Zero Install's namespace, in the order of the document. */
  children(): Element[];
  /** The text that is directly in it. */
  text(): string;
}

/**
 * The root element of an XML document in UTF-8. Entities are XML's own alone, so that none can
 * grow; nothing outside of the document is ever looked at.
 *
 * @param what names the document in errors
 * @throws InvalidDocument if it is not well-formed, is larger than MAX_XML_BYTES, or is nested
 *   deeper than the stack goes, which is thousands of elements
 */
export function parseDocument(bytes: Uint8Array, what: string): Element {
  if (bytes.length > MAX_XML_BYTES) {
    throw new InvalidDocument(
      what,
      `it may have ${MAX_XML_BYTES} bytes at most, and has ${bytes.length}`,
    );
  }
  return resolve(parseRoot(decode(bytes, what), what), new Map());
}

/**
 * The root element as the parser has it, for who needs to know where in the text elements are.
 *
 * @param text with line feeds alone at the ends of its lines: see `plainLines`
 * @param options.includeOffsets whether elements say where they begin and end
 * @throws InvalidDocument also if there is a document type: Zero Install writes none, and the
 *   parser takes time with the square of its size
 */
export function parseRoot(
  text: string,
  what: string,
  options: { includeOffsets?: boolean } = {},
): XmlElement {
  if (text.includes("<!DOCTYPE")) throw new InvalidDocument(what, "it has a document type");
  try {
    const { root } = parseXml(text, options);
    if (root !== null) return root;
  } catch (cause) {
    if (cause instanceof XmlError) {
      throw new InvalidDocument(what, `it is not XML: ${cause.message.split("\n")[0]}`, { cause });
    }
    // The parser calls itself for every level.
    if (cause instanceof RangeError) {
      throw new InvalidDocument(what, "its elements are nested too deep", { cause });
    }
    throw cause;
  }
  throw new InvalidDocument(what, "it has no element");
}

/** The text with line feeds for its line ends: the parser takes time with the square of the others. */
export function plainLines(text: string): string {
  return text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text;
}

function decode(bytes: Uint8Array, what: string): string {
  try {
    return plainLines(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new InvalidDocument(what, "it is not UTF-8", { cause });
  }
}

/** @param scope the namespace of each prefix where the element stands; "" is the prefix of none */
function resolve(element: XmlElement, scope: ReadonlyMap<string, string>): Element {
  const own = extend(scope, element);
  const colon = element.name.indexOf(":");
  const attributes: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(element.attributes)) {
    if (name !== "xmlns" && !name.includes(":")) attributes[name] = value;
  }
  return {
    name: element.name.slice(colon + 1),
    namespace: own.get(element.name.slice(0, Math.max(0, colon))) ?? "",
    attributes,
    children: () =>
      element.children.filter((child) => child instanceof XmlElement)
        .map((child) => resolve(child, own))
        .filter(({ namespace }) => namespace === ZERO_INSTALL),
    text: () =>
      element.children.filter((child) => child instanceof XmlText)
        .map(({ text }) => text).join(""),
  };
}

/** The scope with what the element declares; the same one if that is nothing. */
function extend(
  scope: ReadonlyMap<string, string>,
  { attributes }: XmlElement,
): ReadonlyMap<string, string> {
  let own: Map<string, string> | undefined;
  for (const [name, namespace] of Object.entries(attributes)) {
    if (name !== "xmlns" && !name.startsWith("xmlns:")) continue;
    const prefix = name.slice("xmlns:".length);
    own ??= new Map(scope);
    if (own.size < MAX_PREFIXES || own.has(prefix)) own.set(prefix, namespace);
  }
  return own ?? scope;
}
