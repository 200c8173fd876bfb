/** The on-screen keyboard. */

export const osk = {
  title: "On-screen keyboard",
  layout: "Layout of the keys",
  type: "Type with your own keyboard",
  pages: { letters: "abc", signs: "#+=", functions: "F1" },
};
