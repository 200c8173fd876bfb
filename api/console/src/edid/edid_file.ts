/** An EDID from a file: bytes as they are, or hexadecimal digits in text. Pure; the appliance checks what it is. */

/** Every EDID begins so (VESA E-EDID 1.4, section 3.3). */
const HEADER = [0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00];

/** The digits, for the appliance to check. */
export function hexOfFile(bytes: Uint8Array): string {
  if (HEADER.every((byte, index) => bytes[index] === byte)) {
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"))
      .join("")
      .toUpperCase();
  }
  return new TextDecoder().decode(bytes).trim();
}
