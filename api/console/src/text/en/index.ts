/** Everything the console says, in English. Another language is another value of `Catalogue`. */

import { access } from "./access";
import { account } from "./account";
import { common, language } from "./common";
import { error, link } from "./connection";
import { drives } from "./drives";
import { gpio } from "./gpio";
import { keyboard } from "./keyboard";
import { login } from "./login";
import { macros } from "./macros";
import { maintenance } from "./maintenance";
import { mouse } from "./mouse";
import { ocr } from "./ocr";
import { osk } from "./osk";
import { panels } from "./panels";
import { paste } from "./paste";
import { power } from "./power";
import { overlay, screen } from "./screen";
import { kvm_switch } from "./kvm_switch";
import { system } from "./system";
import { video } from "./video";

export const en = {
  access,
  account,
  common,
  drives,
  error,
  gpio,
  keyboard,
  language,
  link,
  login,
  macros,
  maintenance,
  mouse,
  ocr,
  osk,
  overlay,
  panels,
  paste,
  power,
  screen,
  kvm_switch,
  system,
  video,
};

export type Catalogue = typeof en;
