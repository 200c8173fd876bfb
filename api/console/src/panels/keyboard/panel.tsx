/** The keyboard panel: shortcuts, macros, and the device that the target sees. */

import { Device } from "./device";
import { MacroList } from "./macro_list";
import { Shortcuts } from "./shortcuts";

export default function KeyboardPanel() {
  return (
    <>
      <Shortcuts />
      <MacroList />
      <Device />
    </>
  );
}
