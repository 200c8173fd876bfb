/** A graph over time, drawn by uPlot in the page's colours; screen readers get it in words. */

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

const HEIGHT_PX = 120;

/** At least so much is shown, however young the page is. */
const SHOWN_S = 300;

/** Room for a time of day in any language. */
const TIME_SPACE_PX = 72;

function timeOfDay(seconds: number): string {
  const time = new Date(seconds * 1_000);
  return time.toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });
}

interface ChartProps {
  id: string;
  /** What is shown and how it went, for those who do not see it. */
  words: string;
  times: readonly number[];
  values: readonly (number | null)[];
  /** Changes whenever there is another point. */
  version: number;
  max: number | null;
}

function colour(element: Element, name: string): string {
  return getComputedStyle(element).getPropertyValue(name).trim();
}

/** `light-dark()` in a variable is not resolved by the browser: a probe's own colour is. */
function resolved(element: HTMLElement, name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  element.append(probe);
  const value = colour(probe, "color");
  probe.remove();
  return value;
}

export function Chart({ id, words, times, values, version, max }: ChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  useEffect(() => {
    const element = host.current;
    if (element === null) {
      return undefined;
    }
    const line = resolved(element, "--accent");
    const grid = { stroke: resolved(element, "--line"), width: 1 };
    const axis = { stroke: resolved(element, "--muted"), grid, ticks: grid };
    const made = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT_PX,
        legend: { show: false },
        cursor: { show: false },
        scales: { y: { range: (_plot, _least, most) => [0, max ?? Math.max(1, most * 1.1)] } },
        series: [{}, { stroke: line, width: 2 }],
        axes: [
          { ...axis, space: TIME_SPACE_PX, values: (_plot, splits) => splits.map(timeOfDay) },
          { ...axis, size: 40 },
        ],
      },
      [[], []],
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() =>
      made.setSize({ width: element.clientWidth, height: HEIGHT_PX }),
    );
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [max]);
  useEffect(() => {
    const last = times.at(-1) ?? 0;
    const early = last - (times[0] ?? 0) < SHOWN_S;
    plot.current?.setData(
      early
        ? [
            [last - SHOWN_S, ...times],
            [null, ...values],
          ]
        : [[...times], [...values]],
    );
  }, [version, max]);
  return <div id={id} data-testid={id} data-points={times.length} ref={host} role="img" aria-label={words} />;
}
