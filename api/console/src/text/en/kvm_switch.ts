/** The KVM switch. */

export const kvm_switch = {};
