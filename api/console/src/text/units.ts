/** Sizes, speeds and durations as people write them. Pure. */

const STEPS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** A size with three digits at most; `decimal` is the language's decimal sign. */
export function bytes(count: number, decimal: string): string {
  let step = 0;
  let value = count;
  while (value >= 1_000 && step < STEPS.length - 1) {
    value /= 1_024;
    step++;
  }
  const digits = step === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits).replace(".", decimal)} ${STEPS[step]}`;
}

/** "4:05" or "1:02:03". */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number): string => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3_600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

const SPANS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
] as const;

/** How far away a time is, in the largest unit of which there are two at least: "in 3 days", "5 minutes ago". */
export function relative(seconds: number, language: string): string {
  const format = new Intl.RelativeTimeFormat(language, { numeric: "always" });
  for (const [unit, length] of SPANS) {
    const count = Math.round(seconds / length);
    if (Math.abs(count) >= 2 || (Math.abs(count) === 1 && Math.abs(seconds) % length === 0)) {
      return format.format(count, unit);
    }
  }
  return format.format(Math.round(seconds), "second");
}
