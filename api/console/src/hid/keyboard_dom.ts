/** Joins the keyboard to an element: its key events go to the target while it has the focus. */

import type { Keyboard, ModifierState } from "./keyboard";
import { whenLeft } from "./leaving";

export function modifiersOf(event: KeyboardEvent | MouseEvent): ModifierState {
  return {
    Control: event.getModifierState("Control"),
    Shift: event.getModifierState("Shift"),
    // The right Alt key is AltGraph on many layouts.
    Alt: event.getModifierState("Alt") || event.getModifierState("AltGraph"),
    Meta: event.getModifierState("Meta"),
  };
}

/** Whether the browser runs on an Apple system, whose Cmd key hides the release of other keys. */
export function isApple(userAgent: string): boolean {
  return /Macintosh|iPhone|iPad/.test(userAgent);
}

/** Whether it runs on Windows, which tells of AltGr as of two keys. */
export function isWindows(userAgent: string): boolean {
  return userAgent.includes("Windows");
}

/** Long enough for the second of two events that the system makes at once, too short to be noticed. */
const SOON_MS = 20;

export function soon(task: () => void): void {
  setTimeout(task, SOON_MS);
}

/** Listen until the returned function is called, which also releases what is held. */
export function attachKeyboard(element: HTMLElement, keyboard: Keyboard): () => void {
  const listening = new AbortController();
  const { signal } = listening;
  const release = (): void => keyboard.releaseAll();

  const onKey = (event: KeyboardEvent): void => {
    const input = {
      code: event.code,
      repeat: event.repeat,
      modifiers: modifiersOf(event),
      altGraph: event.key === "AltGraph",
    };
    const taken = event.type === "keydown" ? keyboard.down(input) : keyboard.up(input);
    if (taken) {
      event.preventDefault();
      event.stopPropagation();
    }
  };
  element.addEventListener("keydown", onKey, { signal });
  element.addEventListener("keyup", onKey, { signal });
  element.addEventListener("blur", release, { signal });
  whenLeft(release, signal);
  return () => {
    listening.abort();
    release();
  };
}
