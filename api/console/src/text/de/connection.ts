import type { Catalogue } from "../en";

export const error: Catalogue["error"] = {
  network:
    "Das Gerät antwortet nicht. Prüfen Sie das Netzwerk und ob es eingeschaltet ist, und versuchen Sie es dann " +
    "noch einmal.",
  status: (status) => `Das Gerät hat mit einem unerwarteten Status geantwortet (${status}).`,
  withReason: (what, reason) => `${what}: ${reason}`,
  busy: "Das Gerät ist noch mit dem letzten Auftrag beschäftigt. Warten Sie einen Moment.",
};

export const link: Catalogue["link"] = {
  connecting: "Verbindung wird aufgebaut…",
  online: "Verbunden",
  waiting: "Neuer Versuch…",
  retryIn: (seconds) => `Nächster Versuch in ${seconds} s`,
  retry: "Jetzt versuchen",
};
