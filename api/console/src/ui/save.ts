/** Gives the browser a file to save. */

export function saveAs(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** The present time for a file's name: "2026-11-27T18-03-59". */
export function stamp(): string {
  return new Date().toISOString().slice(0, 19).replaceAll(":", "-");
}
