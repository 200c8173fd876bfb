/** The mouse panel: which mouse the target sees, and how this reader points. */

import {
  CURSOR_SHAPES,
  cursorShape,
  sensitivity,
  touchMode,
  wheelReversed,
  wheelSpeed,
} from "../../hid/pointer_settings";
import { text } from "../../text";
import { useSession } from "../../ui/context";
import { Choice, Section, Slider, Toggle } from "../../ui/kit";

function Kind() {
  const session = useSession();
  const words = text.value.mouse;
  const hid = session.appliance.states.hid.value;
  if (hid === null) {
    return null;
  }
  const { outputs, absolute } = hid.mouse;
  const { jiggler } = hid;
  return (
    <Section title={words.kind}>
      {outputs.available.length > 0 && (
        <Choice
          id="mouse-mode"
          label={words.mode}
          hint={words.modeHint[absolute ? "absolute" : "relative"]}
          value={outputs.active}
          options={outputs.available.map((output) => [output, words.output[output] ?? output])}
          onChange={(mouse_output) => void session.act(words.mode, "api/hid/set_params", { mouse_output })}
        />
      )}
      {jiggler?.enabled === true && (
        <Toggle
          id="jiggler"
          label={words.jiggler}
          hint={words.jigglerHint(jiggler.interval)}
          on={jiggler.active}
          onChange={(on) => void session.act(words.jiggler, "api/hid/set_params", { jiggler: on })}
        />
      )}
    </Section>
  );
}

export default function MousePanel() {
  const words = text.value.mouse;
  return (
    <>
      <Kind />
      <Section title={words.pointer}>
        <Choice
          id="cursor"
          label={words.cursor}
          value={cursorShape.value}
          options={CURSOR_SHAPES.map((shape) => [shape, words.cursors[shape]])}
          onChange={(shape) => {
            cursorShape.value = shape;
          }}
        />
        <Slider
          id="sensitivity"
          label={words.sensitivity}
          value={sensitivity.value}
          min={0.1}
          max={5}
          step={0.1}
          format={words.times}
          onChange={(factor) => {
            sensitivity.value = factor;
          }}
        />
        <Slider
          id="wheel-speed"
          label={words.wheelSpeed}
          value={wheelSpeed.value}
          min={0.1}
          max={5}
          step={0.1}
          format={words.times}
          onChange={(factor) => {
            wheelSpeed.value = factor;
          }}
        />
        <Toggle
          id="wheel-reversed"
          label={words.wheelReversed}
          on={wheelReversed.value}
          onChange={(on) => {
            wheelReversed.value = on;
          }}
        />
      </Section>
      <Section title={words.touch}>
        <Choice
          id="touch-mode"
          label={words.touchMode}
          hint={words.touchHints[touchMode.value]}
          value={touchMode.value}
          options={[
            ["direct", words.touchModes.direct],
            ["trackpad", words.touchModes.trackpad],
          ]}
          onChange={(mode) => {
            touchMode.value = mode;
          }}
        />
      </Section>
    </>
  );
}
