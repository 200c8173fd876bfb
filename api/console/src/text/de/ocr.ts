import type { Catalogue } from "../en";

export const ocr: Catalogue["ocr"] = {
  title: "Text vom Bildschirm lesen",
  disabled: "Texterkennung gibt es hier nicht: Das Gerät braucht Tesseract und dessen Sprachen (kvmd/ocr).",
  languages: "Sprachen",
  select: "Bereich wählen",
  whole: "Ganzen Bildschirm lesen",
  selecting:
    "Ziehen Sie über den Text. Mit der Tastatur: Pfeiltasten bewegen die Ecke, Leertaste setzt sie, Enter liest. Esc beendet.",
  reading: "Wird gelesen…",
  result: "Text",
  copy: "Kopieren",
  copied: "Der Text ist in der Zwischenablage.",
  typeIt: "Zum Tippen übernehmen",
  nothing: "Dort wurde kein Text gefunden.",
};
