/**
 * What a phone's own keyboard does to a text field, as text and keys for the target. The field always holds one
 * invisible character, so that a keyboard that only says what the field is after each stroke can delete. Pure.
 */

/** A zero-width space: it is never typed by anybody. */
export const SENTINEL = "\u200b";

export type Stroke =
  { readonly kind: "text"; readonly text: string } | { readonly kind: "key"; readonly name: string };

/** The strokes that made `value` of the sentinel alone. */
export function strokesOf(value: string): Stroke[] {
  const strokes: Stroke[] = [];
  if (!value.includes(SENTINEL)) {
    strokes.push({ kind: "key", name: "Backspace" });
  }
  const text = value.replaceAll(SENTINEL, "");
  if (text !== "") {
    strokes.push({ kind: "text", text });
  }
  return strokes;
}
