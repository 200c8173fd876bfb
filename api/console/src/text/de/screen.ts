import type { Catalogue } from "../en";

export const overlay: Catalogue["overlay"] = {
  connecting: ["Verbindung wird aufgebaut…", ""],
  reconnecting: ["Verbindung verloren", "Das Gerät wird wieder gesucht."],
  stopped: ["Video ist angehalten", "Der Streamer läuft nicht. Er startet in wenigen Sekunden von selbst."],
  target_off: [
    "Kein Bild: Der Zielrechner ist aus",
    "Seine Betriebsanzeige ist dunkel. „Ein/Aus“ schaltet ihn ein.",
  ],
  no_signal: [
    "Kein Signal",
    "Der Zielrechner sendet kein Bild. Prüfen Sie das Videokabel oder wecken Sie ihn mit einer Taste.",
  ],
  loading: ["Bild wird geladen…", ""],
};

export const screen: Catalogue["screen"] = {
  label:
    "Bildschirm des Zielrechners. Was hier getippt wird, geht an ihn; Strg links und Alt links zusammen führen zur " +
    "Seite zurück.",
  picture: "Aktuelles Bild des Zielrechners",
  mode: (width, height) => `${width}×${height}`,
  transport: { h264: "H.264", jpeg: "JPEG", mjpeg: "MJPEG" },
  hindrance: {
    chosen: "So im Bereich „Video“ gewählt.",
    no_webcodecs:
      "Kein H.264: Dieser Browser hat WebCodecs nur auf Seiten über HTTPS oder vom eigenen Rechner.",
    h264_not_offered: "Kein H.264: Es ist auf dem Gerät abgeschaltet.",
    h264_not_supported: "Kein H.264: Dieser Browser kann es nicht dekodieren.",
    h264_failed: "Kein H.264: Dieser Browser konnte es nicht dekodieren.",
    jpeg_not_offered: "Keine Bilder über den Media-Socket: Das Gerät bietet keine an.",
    socket_failed: "Keine Bilder über den Media-Socket: Er ließ sich nicht verbinden.",
  },
  fps: (fps) => `${fps} B/s`,
  rate: (kbps) => (kbps < 1_000 ? `${kbps} kbit/s` : `${(kbps / 1_000).toFixed(1).replace(".", ",")} Mbit/s`),
  latency: (ms) => `${ms} ms`,
  stages: (encoded, sent, shown) =>
    `Von der Aufnahme bis zur Anzeige: ${encoded} ms bis kodiert, ${sent} ms bis gesendet, ${shown} ms bis angezeigt`,
  viewers: (count) => (count === 1 ? "1 Zuschauer" : `${count} Zuschauer`),
  captureTrouble: (reason) => `Die Aufnahme arbeitet nicht: ${reason}`,
  noSnapshot: "Im Moment gibt es kein Bild zu speichern.",
  snapshot: "Bildschirmfoto",
  snapshotHint: "Das jetzige Bild speichern",
};
