/** Text read from the target’s screen. */

export const ocr = {
  title: "Read text from the screen",
  disabled: "Text recognition is not there: the appliance needs Tesseract and its languages (kvmd/ocr).",
  languages: "Languages",
  select: "Select a region",
  whole: "Read all of the screen",
  selecting:
    "Drag over the text. With the keyboard: arrow keys move the corner, Space sets it, Enter reads. Esc leaves.",
  reading: "Reading…",
  result: "Text",
  copy: "Copy",
  copied: "The text is in the clipboard.",
  typeIt: "Take it over for typing",
  nothing: "No text was found there.",
};
