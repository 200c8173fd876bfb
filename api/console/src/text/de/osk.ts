import type { Catalogue } from "../en";

export const osk: Catalogue["osk"] = {
  title: "Bildschirmtastatur",
  layout: "Belegung der Tasten",
  pages: { letters: "abc", signs: "#+=", functions: "F1" },
};
