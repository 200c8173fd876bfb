# U-Boot's choice between the slots. RAUC writes the same variables: BOOT_ORDER, and how many tries each has left.
# They stand in sectors 64 to 95, before the first partition. A try is counted before it is made, so that a slot that
# hangs runs out of tries. Without a valid block (a torn write) both slots have three tries, A first.
setenv BOOT_ORDER "A B"
setenv BOOT_A_LEFT 3
setenv BOOT_B_LEFT 3
setexpr block ${kernel_addr_r} + 0x7000000
setexpr initramfs ${kernel_addr_r} + 0x8000000
${devtype} dev ${devnum}
${devtype} read ${block} 0x40 0x20
env import -c ${block} 0x4000 BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT
setenv slot
for name in ${BOOT_ORDER}; do
  if test -z "${slot}"; then
    if test "${name}" = "A"; then
      if test ${BOOT_A_LEFT} -gt 0; then setexpr BOOT_A_LEFT ${BOOT_A_LEFT} - 1; setenv slot A; setenv boot_part 5; fi
    else
      if test ${BOOT_B_LEFT} -gt 0; then setexpr BOOT_B_LEFT ${BOOT_B_LEFT} - 1; setenv slot B; setenv boot_part 6; fi
    fi
  fi
done
if test -z "${slot}"; then
  echo "farhand: no slot has tries left; both get three again"
  # RAUC takes a slot that it marks bad out of the order.
  if test "${BOOT_ORDER}" = "B" || test "${BOOT_ORDER}" = "B A"; then setenv BOOT_ORDER "B A"; else setenv BOOT_ORDER "A B"; fi
  setenv BOOT_A_LEFT 3
  setenv BOOT_B_LEFT 3
  env export -c -s 0x4000 ${block} BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT
  ${devtype} write ${block} 0x40 0x20
  reset
fi
env export -c -s 0x4000 ${block} BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT
${devtype} write ${block} 0x40 0x20
echo "farhand: starting slot ${slot}, order ${BOOT_ORDER}, tries left A ${BOOT_A_LEFT} B ${BOOT_B_LEFT}"
setenv board_args
load ${devtype} ${devnum}:${boot_part} ${block} cmdline.env && env import -t ${block} ${filesize} board_args
load ${devtype} ${devnum}:${boot_part} ${kernel_addr_r} vmlinuz.gz
setexpr kernel_comp_addr_r ${kernel_addr_r} + 0x9000000
setenv kernel_comp_size ${filesize}
load ${devtype} ${devnum}:${boot_part} ${initramfs} initramfs.img
setenv bootargs "${board_args} farhand.root=root${slot} rauc.slot=${slot}"
booti ${kernel_addr_r} ${initramfs}:${filesize} ${fdt_addr}
echo "farhand: slot ${slot} cannot be started"
reset
