/** Text typed on the target. */

export const paste = {
  title: "Type a text",
  text: "Text",
  hidden: "Hide it while I type or paste it here",
  fromClipboard: "From the clipboard",
  noClipboard: "The browser did not hand out the clipboard.",
  layout: "Keyboard layout of the target",
  layoutHint: "What the target itself has set. Its Caps Lock has to be off.",
  speed: "Pause before each key event",
  ms: (ms: number): string => (ms === 0 ? "none" : `${ms} ms`),
  type: "Type",
  typeAnyway: "Type without them",
  stop: "Stop",
  goOn: "Type the rest",
  leftOut: (count: number, some: string): string =>
    count === 1
      ? `This layout cannot type one character: ${some}.`
      : `This layout cannot type ${count} characters: ${some}.`,
  place: (character: string, line: number) => `“${character}” in line ${line}`,
  more: (count: number) => `and ${count} more`,
  progress: (done: number, count: number) => `${done} of ${count} characters`,
  typing: "Typing",
  stopped: (done: number, count: number) => `Stopped: ${done} of ${count} characters were typed.`,
  failed: (done: number, count: number, reason: string) =>
    `${done} of ${count} characters were typed, then it failed: ${reason}`,
};
