import type { Catalogue } from "../en";

export const kvm_switch: Catalogue["kvm_switch"] = {};
