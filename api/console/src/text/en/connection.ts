/** The connection to the appliance, and calls that fail. */

export const error = {
  network: "The appliance does not answer. Check the network and that it is switched on, then try again.",
  status: (status: number) => `The appliance answered with an unexpected status (${status}).`,
  withReason: (what: string, reason: string) => `${what}: ${reason}`,
  busy: "The appliance is still busy with the last one. Wait a moment, then try again.",
};

export const link = {
  connecting: "Connecting…",
  online: "Connected",
  waiting: "Reconnecting…",
  retryIn: (seconds: number) => `Next try in ${seconds} s`,
  retry: "Retry now",
};
