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
  pointOnly: "You may use the mouse and not the keyboard",
  watchOnly: "You may watch and not touch",
  released: "Click the picture to type",
};
