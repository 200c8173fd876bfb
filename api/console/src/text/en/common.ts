/** Words that several views share. */

export const common = {
  product: "Farhand",
  cancel: "Cancel",
  close: "Close",
  dismiss: "Dismiss",
  on: "on",
  off: "off",
  unknown: "unknown",
  loading: "Loading…",
  failedToLoad: "This part of the console could not be loaded.",
  retry: "Try again",
};

export const language = {
  label: "Language",
  follow: "The browser’s",
};
