/** The target's front panel. */

export const power = {
  group: "Power",
  short: "Power",
  shortHint: "Press the power button briefly",
  long: "Hold power",
  longHint: "Hold the power button until the target is off",
  reset: "Reset",
  resetHint: "Press the reset button",
  confirmLongTitle: "Force the target off?",
  confirmLong:
    "The power button is held for several seconds. The target loses power at once and unsaved data is lost.",
  confirmLongDo: "Force off",
  confirmResetTitle: "Reset the target?",
  confirmReset: "The target restarts at once and unsaved data is lost.",
  confirmResetDo: "Reset",
  leds: "Lamps of the target",
  powerLed: "Power",
  hddLed: "Disk",
};
