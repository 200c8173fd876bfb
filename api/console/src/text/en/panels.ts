/** The panels beside the screen and the rail that opens them. */

export const panels = {
  rail: "Panels",
  title: {
    video: "Video",
    keyboard: "Keyboard",
    mouse: "Mouse",
    text: "Text",
    drives: "Drives",
    gpio: "GPIO",
    switch: "Switch",
    system: "System",
  },
};
