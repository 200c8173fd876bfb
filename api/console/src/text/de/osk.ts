import type { Catalogue } from "../en";

export const osk: Catalogue["osk"] = {
  title: "Bildschirmtastatur",
  layout: "Belegung der Tasten",
  type: "Mit der eigenen Tastatur tippen",
  pages: { letters: "abc", signs: "#+=", functions: "F1" },
};
