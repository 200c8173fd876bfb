/** Text in both ways: typed on the target, and read from its screen. */

import { Ocr } from "./ocr";
import { Paste } from "./paste";
import "./text.css";

export default function TextPanel() {
  return (
    <>
      <Paste />
      <Ocr />
    </>
  );
}
