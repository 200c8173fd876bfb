/** Channels of the appliance's GPIO. */

export const gpio = {
  title: "Channels",
  empty: "The configuration has no channels to show (kvmd/gpio/view).",
  on: (channel: string) => `Switch ${channel} on`,
  off: (channel: string) => `Switch ${channel} off`,
  pulseHint: (channel: string, seconds: number) => `${channel}: a pulse of ${seconds} s`,
  offline: "does not answer",
  confirmTitle: (what: string) => `${what}?`,
  confirm: "The configuration asks for a confirmation before this channel changes.",
};
