/** The keyboard. */

export const keyboard = {
  group: "Keyboard",
  cad: "Ctrl+Alt+Del",
  cadHint: "Send Ctrl+Alt+Delete to the target",
  leds: "Lock keys of the target",
  caps: "Caps",
  num: "Num",
  scroll: "Scroll",
  offline: "The target does not take keys",
  captured: "Keyboard goes to the target · Ctrl+Alt returns it",
  released: "Click the picture to type",
};
