import { expect, it } from "vitest";
import type { Picture } from "./decoders";
import { Painter } from "./painter";

function bench() {
  const log: string[] = [];
  const frames: (() => void)[] = [];
  const state = { hidden: false };
  const painter = new Painter({
    nextFrame: (callback) => frames.push(callback),
    atOnce: () => state.hidden,
    onPainted: ({ image }) => log.push(`painted ${String(image)}`),
  });
  const canvas = { width: 0, height: 0, getContext: () => ({ drawImage: () => undefined }) };
  painter.canvas = canvas as unknown as HTMLCanvasElement;
  const picture = (name: string, width = 4, height = 3): Picture =>
    ({
      image: name,
      width,
      height,
      times: null,
      close: () => log.push(`closed ${name}`),
    }) as unknown as Picture;
  const frame = (): void => frames.splice(0).forEach((callback) => callback());
  return { painter, log, frames, state, picture, frame, canvas };
}

it("paints the newest picture with the browser's frame, and gives all of them back", () => {
  const { painter, log, frames, picture, frame, canvas } = bench();
  painter.show(picture("a"));
  painter.show(picture("b"));
  expect(frames).toHaveLength(1);
  expect(painter.size.value).toBe(null);
  frame();
  expect(log).toEqual(["closed a", "painted b", "closed b"]);
  expect(painter.size.value).toEqual({ width: 4, height: 3 });
  painter.show(picture("c", 8, 6));
  frame();
  expect([canvas.width, canvas.height]).toEqual([8, 6]);
});

it("paints at once what nobody sees but a copy, also after a frame that never came", () => {
  const { painter, log, state, picture, frame } = bench();
  painter.show(picture("a"));
  state.hidden = true;
  painter.show(picture("b"));
  painter.show(picture("c"));
  expect(log).toEqual(["closed a", "painted b", "closed b", "painted c", "closed c"]);
  frame();
  expect(log).toHaveLength(5);
});

it("has no picture when it is cleared, not even a late one", () => {
  const { painter, log, picture, frame } = bench();
  painter.show(picture("a"));
  frame();
  painter.show(picture("b"));
  painter.clear();
  frame();
  expect(log).toEqual(["painted a", "closed a", "closed b"]);
  expect(painter.size.value).toBe(null);
});
