import type { Catalogue } from "../en";

export const paste: Catalogue["paste"] = {
  title: "Text tippen",
  text: "Text",
  hidden: "Verbergen, während ich ihn hier eingebe",
  fromClipboard: "Aus der Zwischenablage",
  noClipboard: "Der Browser hat die Zwischenablage nicht herausgegeben.",
  layout: "Tastaturbelegung des Zielrechners",
  layoutHint: "Die, die auf dem Zielrechner selbst eingestellt ist. Seine Feststelltaste muss aus sein.",
  speed: "Pause vor jedem Tastenereignis",
  ms: (ms) => (ms === 0 ? "keine" : `${ms} ms`),
  type: "Tippen",
  typeAnyway: "Ohne sie tippen",
  stop: "Stopp",
  goOn: "Den Rest tippen",
  leftOut: (count, some) =>
    count === 1
      ? `Diese Belegung kann ein Zeichen nicht tippen: ${some}.`
      : `Diese Belegung kann ${count} Zeichen nicht tippen: ${some}.`,
  place: (character, line) => `„${character}“ in Zeile ${line}`,
  more: (count) => `und ${count} weitere`,
  progress: (done, count) => `${done} von ${count} Zeichen`,
  typing: "Text wird getippt",
  stopped: (done, count) => `Angehalten: ${done} von ${count} Zeichen wurden getippt.`,
  failed: (done, count, reason) =>
    `${done} von ${count} Zeichen wurden getippt, dann ging es nicht weiter: ${reason}`,
};
