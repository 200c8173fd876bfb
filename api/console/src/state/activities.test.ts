import { expect, it } from "vitest";
import { Activities, type Activity } from "./activities";

function activity(id: string, keepsPage: boolean): Activity {
  return { id, label: id, share: null, panel: "drives", keepsPage };
}

function asks(page: EventTarget): boolean {
  const event = new Event("beforeunload", { cancelable: true });
  page.dispatchEvent(event);
  return event.defaultPrevented;
}

it("keeps the page only while something would be lost", () => {
  const page = new EventTarget();
  const activities = new Activities();
  activities.guard(page as Window);
  expect(asks(page)).toBe(false);
  activities.show(activity("b", false));
  expect(asks(page)).toBe(false);
  activities.show(activity("a", true));
  activities.show({ ...activity("a", true), share: 0.5 });
  expect(activities.list.value.map(({ id }) => id)).toEqual(["a", "b"]);
  expect(asks(page)).toBe(true);
  activities.end("a");
  expect(asks(page)).toBe(false);
});
