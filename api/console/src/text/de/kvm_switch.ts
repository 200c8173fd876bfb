import type { Catalogue } from "../en";

export const kvm_switch: Catalogue["kvm_switch"] = {
  ports: "Anschlüsse",
  port: (id) => `Anschluss ${id}`,
  previous: "Voriger Anschluss",
  next: "Nächster Anschluss",
  notSynced: "Der Switch übernimmt noch die letzten Änderungen.",
  select: (name) => `${name} zeigen`,
  beacon: "Blinken",
  beaconHint: "Die Anzeige des Anschlusses blinken lassen, um ihn zu finden",
  video: "Video",
  usb: "USB",
  powerLed: "Betrieb",
  hddLed: "Platte",
  power: "Ein/Aus",
  hold: "Einschalter halten",
  reset: "Reset",
  confirmHold: (name) => `${name} hart ausschalten?`,
  confirmHoldText:
    "Der Einschalter wird mehrere Sekunden gehalten. Dieser Rechner geht sofort aus, Ungespeichertes geht verloren.",
  confirmReset: (name) => `${name} zurücksetzen?`,
  confirmResetText: "Dieser Rechner startet sofort neu, Ungespeichertes geht verloren.",
  settings: "Einstellungen",
  name: "Name",
  nameHint: "Leer für die Nummer des Anschlusses",
  edid: "EDID",
  dummy: "Monitor immer angeschlossen",
  dummyHint: "Der Rechner sieht auch dann einen Monitor, wenn ein anderer Anschluss gezeigt wird",
  delay: {
    power: "Druck auf den Einschalter",
    power_long: "Langer Druck auf den Einschalter",
    reset: "Druck auf den Reset-Taster",
  },
  seconds: (seconds) => `${seconds.toFixed(1).replace(".", ",")} s`,
  units: "Einheiten",
  unit: (number) => `Einheit ${number}`,
  firmware: (version, devbuild) => `Firmware ${version}${devbuild ? " (Entwicklung)" : ""}`,
  uplink: "Uplink blinken",
  downlink: "Downlink blinken",
  resetUnit: "Einheit neu starten",
  confirmResetUnit: (number) => `Einheit ${number} neu starten?`,
  confirmResetUnitText: "Ihre Anschlüsse verlieren für einen Moment Bild und USB.",
  edids: "EDIDs",
  unreadableEdid: "nicht lesbar",
  noMonitorName: "ohne Namen",
  bytes: (count) => `${count} Bytes`,
  usedBy: (count) =>
    count === 0
      ? "nicht verwendet"
      : count === 1
        ? "von 1 Anschluss verwendet"
        : `von ${count} Anschlüssen verwendet`,
  remove: "Entfernen",
  confirmRemoveEdid: (name) => `EDID „${name}“ entfernen?`,
  confirmRemoveEdidText: (count) =>
    count === 0
      ? "Kein Anschluss verwendet sie."
      : "Die Anschlüsse, die sie verwenden, kehren zur vorgegebenen zurück.",
  newEdidName: "Name einer neuen EDID",
  newEdidData: "Ihre Daten",
  newEdidHint: "128 oder 256 Bytes als hexadezimale Ziffern",
  fromFile: "Aus einer Datei…",
  addEdid: "Hinzufügen",
  newEdid: "Neue EDID",
  colours: "Farben der Anzeigen",
  role: {
    inactive: "Anschluss, der nicht gezeigt wird",
    active: "Anschluss, der gezeigt wird",
    flashing: "Während eine Firmware geschrieben wird",
    beacon: "Blinken",
    bootloader: "Bootloader",
  },
  defaultColour: "Vorgabe",
};
